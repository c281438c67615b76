"""The way of a message from a copy of a stanza into archives."""
