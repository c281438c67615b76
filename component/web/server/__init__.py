"""The HTTP server: its application, limits of sockets and bodies, errors, health."""
