"""Accounts: the contract, our own source, passwords, and a limit on guesses."""
