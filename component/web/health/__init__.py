"""Health: whether the process runs, and whether each of its parts can do its work."""
