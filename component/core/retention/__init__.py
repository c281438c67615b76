"""Retention and deletion: limits, rules, purges, legal holds, erasure, removal of accounts."""
