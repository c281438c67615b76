"""The connection to the XMPP server: the part that commands and readiness read."""

from __future__ import annotations

from typing import Protocol


class Link(Protocol):
    """The stream to the XMPP server."""

    @property
    def is_up(self) -> bool:
        """Whether the handshake is done and the stream is open."""
        ...
