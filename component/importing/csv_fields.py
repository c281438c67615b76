"""The fields of a message in a CSV file, which columns can have."""

#: The fields of a message, and what the value of each is.
FIELDS = {
    "owner": "bare JID of the user or the room whose archive it is",
    "time": "time as in 2026-01-31T12:00:00Z, or seconds since 1970",
    "peer": "JID of the other side",
    "direction": "send or recv; empty: recv",
    "xml": "the whole stanza",
    "body": "the text, where there is no xml",
    "id": "the id in the old archive",
    "type": "chat, groupchat or normal; empty: chat",
    "nick": "nickname of the author, in the archive of a room",
}
