"""Faults and attacks: `make torture`, or `python -m torture --help`."""

#: The variable with the time after which no test begins, in seconds since the epoch.
ENDS = "TORTURE_ENDS"
