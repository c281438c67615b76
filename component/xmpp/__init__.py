"""The stream to ejabberd: queries, copies, commands. Only this folder and clients use slixmpp."""
