"""The stream to ejabberd: queries, copies, commands. Only here and in clients is slixmpp known."""
