"""Removing messages: bounds, rules, purges, legal holds, erasure, removal of accounts."""
