"""Principals, their roles, who may read which archive, and the audit log."""
