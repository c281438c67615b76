"""Rosters in our own store, for a server that asks us for them.

Implements `core.rosters.protocol.EditableRosters`.
"""

from __future__ import annotations

import asyncio
import logging

from component.core.rosters.contacts import Change, is_shown
from component.core.store_errors import translated
from storage.errors import StorageError
from storage.interface import Contacts
from storage.rows import Contact

log = logging.getLogger(__name__)


class OwnRosters:
    """Reads and changes rosters in the store."""

    def __init__(self, contacts: Contacts) -> None:
        self._contacts = contacts
        # One change at a time: it reads a contact and writes it back with some parts changed.
        self._changing = asyncio.Lock()

    def are_readable(self, host: str) -> bool:
        """Return True: the rosters of every host can be read."""
        return True

    async def roster(self, owner: str) -> tuple[Contact, ...] | None:
        """Return a roster, None if the store does not answer."""
        try:
            return tuple(filter(is_shown, await self._contacts.roster(owner)))
        except StorageError:
            log.warning("the roster of %s cannot be read", owner, exc_info=True)
            return None

    async def change(self, owner: str, change: Change) -> None:
        """Add a contact or change it, durably. Raises Overloaded."""
        async with self._changing:
            with translated():
                roster = await self._contacts.roster(owner)
                before = next((contact for contact in roster if contact.jid == change.jid), None)
                await self._contacts.put(owner, change.applied(before))

    async def remove(self, owner: str, jid: str) -> None:
        """Remove a contact if it is there, durably. Raises Overloaded."""
        async with self._changing:
            with translated():
                await self._contacts.remove(owner, jid)

    async def clear(self, owner: str) -> None:
        """Remove all contacts, durably. Raises Overloaded."""
        async with self._changing:
            with translated():
                await self._contacts.clear(owner)
