"""The archive on disk; imports nothing of `component`."""
