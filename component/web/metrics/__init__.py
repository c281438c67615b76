"""Metrics: the state of the program and its counters, for Prometheus."""
