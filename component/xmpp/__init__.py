"""The stream to ejabberd: queries, copies, commands. Only this folder, sessions and clients use
slixmpp.
"""
