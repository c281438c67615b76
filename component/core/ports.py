"""What one edge needs of the other, as Protocols; `component.parts` joins them."""

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


class Rosters(Protocol):
    """Rosters of the users of our virtual hosts, as their server has them."""

    async def contacts(self, owner: str) -> frozenset[str] | None:
        """Return the bare JIDs on a user's roster, None where it cannot be read."""
        ...

    def are_readable(self, host: str) -> bool:
        """Whether a virtual host lets the archive read the rosters of its users."""
        ...


class RoomInfo(Protocol):
    """What the XMPP server says about its rooms."""

    async def features(self, room: str) -> frozenset[str] | None:
        """Return the features of a room (XEP-0045 section 6.4), None where it does not answer."""
        ...
