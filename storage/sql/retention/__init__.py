"""Deletion: the oldest messages, single messages, whole archives, and traces in the files."""
