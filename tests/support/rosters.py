"""Rosters that a test controls."""

from __future__ import annotations

import asyncio

from storage.rows import Contact

Contacts = frozenset[str] | None


class FixedRosters:
    """Answers at once while `may_answer` is set; records the owners of the requested rosters."""

    def __init__(self, contacts: dict[str, Contacts] | None = None, *, is_readable: bool = True):
        self.contacts_of = dict(contacts or {})
        self.is_readable = is_readable
        self.requested: list[str] = []
        self.fault: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def roster(self, owner: str) -> tuple[Contact, ...] | None:
        """Return the roster as it was at the call, None for owners without one."""
        self.requested.append(owner)
        contacts = self.contacts_of.get(owner)
        await self.may_answer.wait()
        if self.fault is not None:
            raise self.fault
        return None if contacts is None else tuple(Contact(jid=jid) for jid in sorted(contacts))

    def are_readable(self, host: str) -> bool:
        """Whether rosters can be read at all."""
        return self.is_readable
