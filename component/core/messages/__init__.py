"""Messages: their payloads, authors and references, and the words that a search finds."""
