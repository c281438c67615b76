"""Commands of operators: each is defined once, for XMPP, HTTP and the command line."""
