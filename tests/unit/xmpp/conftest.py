"""A component connected to a server that the test plays."""

from support.wire_fixtures import no_certificates, wire

__all__ = ["no_certificates", "wire"]
