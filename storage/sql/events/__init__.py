"""The events of accounts: messages and the journal of all else, under one counter."""
