"""Roster queries, and rosters read and changed by privilege."""
