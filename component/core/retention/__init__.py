"""Retention and deletion: bounds, rules, purges, legal holds, erasure, removal of accounts."""
