"""The events of accounts: a journal beside the archive, and readers who miss nothing."""
