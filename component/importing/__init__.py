"""Readers of other archives: databases, files, and servers that are asked by MAM."""
