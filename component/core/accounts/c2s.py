"""Where clients of ours log in to ejabberd, and how: TLS and SASL mechanisms."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from component.core.sessions.servers import Endpoint

#: Mechanisms that tell a right password from a wrong one: no EXTERNAL, no ANONYMOUS.
HASHES = ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512")
MECHANISMS = frozenset({"PLAIN", *HASHES, *(f"{name}-PLUS" for name in HASHES)})

#: SASL failures that say nothing about the password (RFC 6120 section 6.5).
INCONCLUSIVE = frozenset(
    {
        "aborted",
        "encryption-required",
        "incorrect-encoding",
        "invalid-mechanism",
        "malformed-request",
        "mechanism-too-weak",
        "temporary-auth-failure",
    }
)


def _is_worth_logging(record: logging.LogRecord) -> bool:
    """Return False for the line that slixmpp logs after each wrong password."""
    return record.msg != "No appropriate login method."


logging.getLogger("slixmpp.features.feature_mechanisms.mechanisms").addFilter(_is_worth_logging)


class C2s:
    """ejabberd_c2s at an address that is configured."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.port = port
        self.is_loopback = _is_loopback(address)
        self.context = ssl.create_default_context()
        if self.is_loopback:
            # No other machine is in between, so every certificate is accepted.
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE

    @property
    def name(self) -> str:
        """How the server is called in the log."""
        return "ejabberd"

    async def endpoints(self) -> Sequence[Endpoint]:
        """Return the configured address."""
        return (Endpoint(self.address, self.port),)

    @property
    def mechanisms(self) -> dict[str, Any]:
        """The configuration of slixmpp's plugin `feature_mechanisms`."""
        return {
            # Without TLS slixmpp begins SCRAM with a flag that ejabberd 24.12 and 26.07 regard as
            # an attack, and they refuse it like a wrong password.
            "use_mechs": {"PLAIN"} if self.is_loopback else set(MECHANISMS),
            "unencrypted_plain": self.is_loopback,
        }


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
