"""The HTTP server: listeners, limits of sockets and bodies, errors."""
