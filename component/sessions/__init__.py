"""Client sessions of users at ejabberd, one for each account. Like xmpp, it knows slixmpp."""
