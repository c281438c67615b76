"""The events of accounts: a journal of contacts and presences, and readers who miss nothing."""
