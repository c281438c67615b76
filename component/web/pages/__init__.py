"""Pages for browsers: the chat page at the root of the public listener, and static files."""
