"""Accounts, rosters and what waits for somebody: the rows and the contract of their stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who can log in."""

    jid: str  #: bare JID
    verifier: str = field(repr=False)  #: what a password is checked against, never the password
    is_enabled: bool = True
    created: int  #: microseconds since the epoch, UTC


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One item of a roster (RFC 6121 section 2.1.2)."""

    jid: str  #: bare JID
    name: str = ""
    subscription: str = "none"  #: none, to, from or both
    #: open requests: "subscribe" (the contact was asked), "in" (the contact has asked), or "both"
    ask: str = ""
    ask_message: str = ""  #: what came with a request of the contact (Remote Data)
    is_approved: bool = False  #: approved beforehand
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OfflineStanza:
    """A stanza that waits until somebody comes online (Remote Data)."""

    peer: str  #: full JID of the sender
    stanza: str  #: the stanza
    at: int  #: microseconds since the epoch, UTC


class Accounts(Protocol):
    """Who can log in, by bare JID."""

    async def get(self, jid: str) -> Account | None: ...

    async def add(self, account: Account) -> bool:
        """Return whether it was added: False where there is one of this JID."""
        ...

    async def change(self, account: Account) -> bool:
        """Return whether there was one to be replaced."""
        ...

    async def remove(self, jid: str) -> bool:
        """Remove an account, its roster and what waits for it; return whether there was one."""
        ...

    async def list(self, domain: str, *, after: str, limit: int) -> tuple[Account, ...]:
        """Return those of a domain in the order of their JIDs, behind `after`."""
        ...

    async def count(self, domain: str) -> int: ...


class Contacts(Protocol):
    """Rosters, where the XMPP server leaves them to us."""

    async def roster(self, owner: str) -> tuple[Contact, ...]:
        """Return the contacts in the order of their JIDs."""
        ...

    async def put(self, owner: str, contact: Contact) -> None:
        """Keep a contact in the place of the one of the same JID."""
        ...

    async def remove(self, owner: str, jid: str) -> bool: ...

    async def clear(self, owner: str) -> None: ...


class Offline(Protocol):
    """Stanzas that wait until their recipient comes online, oldest first."""

    async def add(self, owner: str, waiting: OfflineStanza) -> None:
        """Keep one; the same one again changes nothing."""
        ...

    async def count(self, owner: str) -> int: ...

    async def pop(self, owner: str) -> tuple[OfflineStanza, ...]:
        """Take out all of them."""
        ...
