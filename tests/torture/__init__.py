"""Faults and attacks: `make torture`, or `python -m torture --help`."""
