"""The HTTP server: one folder for each API family, and one for the code that they share."""
