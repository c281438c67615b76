"""Filling archives past XMPP: rows in each server's own schema, made after real ones."""
