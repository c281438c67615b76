"""Where rosters live, as Protocols: each source of them implements one."""

from __future__ import annotations

from typing import Protocol

from component.core.rosters.contacts import Change
from storage.rows import Contact


class Rosters(Protocol):
    """Rosters of the users of our virtual hosts, as they are now, wherever they live."""

    async def roster(self, owner: str) -> tuple[Contact, ...] | None:
        """Return the contacts on a user's roster, None if it cannot be read.

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
