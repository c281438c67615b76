"""Callers of the API: how they authenticate, their roles, and what they may call."""
