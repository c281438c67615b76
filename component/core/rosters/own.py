"""Rosters in our own store, for a server that keeps none.

Implements `core.rosters.protocol.EditableRosters`.
"""

from __future__ import annotations

import asyncio
import logging

from component.core.rosters.contacts import Change, is_shown
from component.core.store_errors import translated
from storage.errors import StorageError
from storage.people import Contact, Contacts

log = logging.getLogger(__name__)


class OwnRosters:
    """Rosters of all who have contacts here."""

    def __init__(self, contacts: Contacts) -> None:
        self._contacts = contacts
        # One after the other: a change leaves parts of a contact as they were.
        self._changing = asyncio.Lock()

    def are_readable(self, host: str) -> bool:
        """Whether the rosters of a host can be read: they are all here."""
        return True

    async def roster(self, owner: str) -> tuple[Contact, ...] | None:
        """Return a roster, None where the store does not answer."""
        try:
            return tuple(filter(is_shown, await self._contacts.roster(owner)))
        except StorageError:
            log.warning("the roster of %s was not read", owner, exc_info=True)
            return None

    async def change(self, owner: str, change: Change) -> None:
        """Add a contact or change it; it is durable at the return. Raises Overloaded."""
        async with self._changing:
            with translated():
                found = await self._contacts.roster(owner)
                before = next((one for one in found if one.jid == change.jid), None)
                await self._contacts.put(owner, change.applied(before))

    async def remove(self, owner: str, jid: str) -> None:
        """Take a contact off, if it is there; it is durable at the return. Raises Overloaded."""
        async with self._changing:
            with translated():
                await self._contacts.remove(owner, jid)

    async def clear(self, owner: str) -> None:
        """Empty a roster; it is durable at the return. Raises Overloaded."""
        async with self._changing:
            with translated():
                await self._contacts.clear(owner)
