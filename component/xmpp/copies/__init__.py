"""What ejabberd tells without being asked: copies of stanzas, presences, rooms."""
