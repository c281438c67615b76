"""The connection to the XMPP server, as far as commands and readiness ask about it."""

from __future__ import annotations

from typing import Protocol


class Link(Protocol):
    """The stream to the XMPP server, as far as others ask about it."""

    @property
    def is_up(self) -> bool:
        """Whether the handshake is done and the stream is open."""
        ...
