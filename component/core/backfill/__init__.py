"""Backfill: the messages that passed during gaps, fetched from ejabberd's own archive."""
