"""The events of accounts: a journal of contacts, presences, requests, and lossless readers."""
