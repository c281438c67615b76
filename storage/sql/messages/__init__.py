"""Messages are appended, found, counted and paged."""
