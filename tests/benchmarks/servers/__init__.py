"""The measured servers: private ones on loopback, each in a folder of its own, stopped by pid."""
