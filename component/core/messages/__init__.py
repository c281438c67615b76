"""What a message says: its payloads, its author, what it refers to, how it is found."""
