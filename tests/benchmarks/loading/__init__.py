"""Fill archives without XMPP: rows in each server's own schema, made from real rows."""
