"""The HTTP server: one folder for each API family, and one for what they share."""
