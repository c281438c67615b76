"""The stream to ejabberd: queries, copies, commands. Only here, in sessions and in clients is
slixmpp known.
"""
