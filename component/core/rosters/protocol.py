"""The contract of rosters: each source of rosters implements one of these Protocols."""

from __future__ import annotations

from typing import Protocol

from component.core.rosters.contacts import Change
from storage.rows import Contact


class Rosters(Protocol):
    """The current rosters of the users of our virtual hosts, from one source."""

    async def roster(self, owner: str) -> tuple[Contact, ...] | None:
        """Return the contacts on a user's roster, None if it cannot be read.

        Raises ItemNotFound if the source knows that there is no such user, and Failed.
        """
        ...

    def are_readable(self, host: str) -> bool:
        """Return whether the rosters of the users of a virtual host can be read."""
        ...


class EditableRosters(Rosters, Protocol):
    """Rosters that can be changed as well.

    A source that cannot change rosters raises NotAllowed, whose message says where the rosters
    are. Each method raises Overloaded if the source does not answer.
    """

    async def change(self, owner: str, change: Change) -> None:
        """Add a contact or change it. Raises BadRequest, NotAllowed, Overloaded."""
        ...

    async def remove(self, owner: str, jid: str) -> None:
        """Remove a contact if it is there. Raises NotAllowed, Overloaded."""
        ...

    async def clear(self, owner: str) -> None:
        """Remove all contacts. Raises NotAllowed, Overloaded."""
        ...
