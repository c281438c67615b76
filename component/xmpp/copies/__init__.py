"""Stanzas that ejabberd copies: messages, presences, roster pushes; and its rooms and users."""
