"""The HTTP server: listeners, limits of connections and bodies, errors."""
