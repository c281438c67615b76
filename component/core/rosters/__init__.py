"""Rosters: contacts, where they are kept, and a cache for archiving preferences."""
