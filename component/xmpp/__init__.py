"""The stream to ejabberd, and one module a feature. The only package that knows slixmpp."""
