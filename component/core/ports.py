"""What one edge needs of the other, as Protocols; `component.wiring.compose` joins them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from component.core.rosters.contacts import Change
from storage.rows import Contact


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
    """Rosters of the users of our virtual hosts, as they are now, wherever they live."""

    async def roster(self, owner: str) -> tuple[Contact, ...] | None:
        """Return what is on a user's roster, None where it cannot be read.

        Raises ItemNotFound where there is known to be no such user, and Failed.
        """
        ...

    def are_readable(self, host: str) -> bool:
        """Whether the rosters of the users of a virtual host can be read."""
        ...


class EditableRosters(Rosters, Protocol):
    """Rosters that can be changed as well.

    Where a source cannot do that it raises NotAllowed, which says where rosters live. Each raises
    Overloaded where the source does not answer.
    """

    async def change(self, owner: str, change: Change) -> None:
        """Add a contact or change it. Raises BadRequest, NotAllowed, Overloaded."""
        ...

    async def remove(self, owner: str, jid: str) -> None:
        """Take a contact off, if it is there. Raises NotAllowed, Overloaded."""
        ...

    async def clear(self, owner: str) -> None:
        """Take off all contacts. Raises NotAllowed, Overloaded."""
        ...


class ArchiveCalls(Protocol):
    """The archive calls of Remote Data; what is sent and answered is in its words.

    Each raises NotAuthorized where nobody's archive is named, BadRequest, Overloaded.
    """

    async def store(self, host: str, fields: Mapping[str, object]) -> None:
        """Store one message for one side durably; the same one again changes nothing."""
        ...

    async def read(self, host: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """Return one page, with `archive`, `count` and `complete`."""
        ...

    async def count(self, host: str, parameters: Mapping[str, str]) -> int:
        """Return how many messages match."""
        ...


class RoomInfo(Protocol):
    """What the XMPP server says about its rooms."""

    async def features(self, room: str) -> frozenset[str] | None:
        """Return the features of a room (XEP-0045 section 6.4), None where it does not answer."""
        ...

    def forget(self, room: str) -> None:
        """Ask a room again when its features are wanted next: they have changed."""
        ...


class Recipients(Protocol):
    """What the XMPP server says about users to whom messages were sent."""

    async def missing(self, users: Collection[str]) -> frozenset[str] | None:
        """Return those bare JIDs for which the server keeps no message: there is no such account.

        Copies of all that the server did before the call have been read when it returns. None
        where the server does not answer.
        """
        ...
