"""Accounts: who may log in, where accounts are kept, and how guessing is slowed."""
