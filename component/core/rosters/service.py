"""Reads and changes current rosters (RFC 6121 section 2) in the configured source.

Every part that shows a roster reads it here, so that all parts show the same. `cache` has rosters
for decisions about archiving, and learns of the changes made here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from component.core.errors import ItemNotFound, NotAllowed, Overloaded
from component.core.hosts import Hosts
from component.core.rosters.contacts import REMOVE, Change
from component.core.rosters.protocol import EditableRosters
from component.core.xml import jids
from storage.rows import Contact


async def anybody(_: str) -> bool:
    """Return True for every bare JID, for servers that cannot be asked about accounts."""
    return True


class RosterService:
    """Reads and changes the rosters of the users of the virtual hosts."""

    def __init__(
        self,
        rosters: EditableRosters,
        hosts: Hosts,
        changed: Callable[[str], None],
        is_user: Callable[[str], Awaitable[bool]] = anybody,
    ) -> None:
        """`changed` is called with the owner of each roster that was changed.

        `is_user` returns whether a bare JID has an account; it may raise NotAllowed.
        """
        self._rosters = rosters
        self._hosts = hosts
        self._changed = changed
        self._is_user = is_user

    async def read(self, owner: str) -> tuple[Contact, ...]:
        """Return a user's roster in the order of its JIDs. Raises ItemNotFound, Overloaded."""
        self._require_host(owner)
        roster = await self._rosters.roster(owner)
        if roster is None:
            raise Overloaded(f"rosters of {jids.domain(owner)} cannot be read at the moment")
        return tuple(sorted(roster, key=lambda contact: contact.jid))

    async def find(self, owner: str) -> tuple[Contact, ...]:
        """Return the roster of a user who may not exist.

        A user with contacts counts as existing. Raises ItemNotFound, Overloaded.
        """
        roster = await self.read(owner)
        if not roster and not await self._exists(owner):
            raise ItemNotFound("there is no such user")
        return roster

    async def change(self, owner: str, change: Change) -> None:
        """Add a contact, change it, or remove it.

        Raises BadRequest, ItemNotFound, NotAllowed, Overloaded.
        """
        self._require_host(owner)
        change.check()
        if change.jid == owner:
            raise NotAllowed("a user cannot be a contact of the same user")
        if change.subscription == REMOVE:
            await self.remove(owner, change.jid)
            return
        try:
            await self._rosters.change(owner, change)
        finally:
            self._changed(owner)

    async def remove(self, owner: str, jid: str) -> None:
        """Remove a contact if it is there. Raises ItemNotFound, NotAllowed, Overloaded."""
        self._require_host(owner)
        try:
            await self._rosters.remove(owner, jid)
        finally:
            self._changed(owner)

    async def clear(self, owner: str) -> None:
        """Remove all contacts. Raises ItemNotFound, NotAllowed, Overloaded."""
        self._require_host(owner)
        try:
            await self._rosters.clear(owner)
        finally:
            self._changed(owner)

    async def _exists(self, owner: str) -> bool:
        try:
            return await self._is_user(owner)
        except NotAllowed:
            # This source of accounts cannot look up a user.
            return True

    def _require_host(self, owner: str) -> None:
        if not self._hosts.is_user(owner):
            raise ItemNotFound("there is no such user here")
