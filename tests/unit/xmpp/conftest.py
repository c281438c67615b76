"""A component connected to a server that the test plays."""

from support.wire_fixtures import wire

__all__ = ["wire"]
