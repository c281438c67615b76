"""What one edge needs of the other, as Protocols; `component.app` joins them."""

from __future__ import annotations

from typing import Protocol


class Jids(Protocol):
    """Prepares addresses as XMPP servers do, so that one user is one key everywhere."""

    def prepare(self, address: str) -> str:
        """Return the address with each part prepared (RFC 7622). Raises BadRequest."""
        ...


class Link(Protocol):
    """The stream to the XMPP server, as far as others ask about it."""

    @property
    def is_up(self) -> bool:
        """Whether the handshake is done and the stream is open."""
        ...
