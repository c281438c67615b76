"""What is measured: private servers on loopback, in a folder of their own, stopped by pid."""
