"""The records that sources of an import yield, whatever archive they come from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from storage.rows import Direction, Kind, PreferencesRow

#: A page of a source is full with so many records, or bytes of stanzas.
PAGE = 200
PAGE_BYTES = 16 * 1024 * 1024


class BadSource(Exception):
    """The source cannot be read, or is not what the caller says; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    """A message in another archive."""

    owner: str  #: bare JID of the user or the room
    at: int  #: microseconds since the epoch, UTC
    xml: str  #: the whole stanza
    old_id: str = ""  #: its id in that archive; "": none
    peer: str = ""  #: JID of the other side, if the stanza does not have it
    direction: Direction | None = None  #: None: the addresses of the stanza show it
    nick: str = ""  #: in the archive of a room: the author
    is_of_room: bool = False  #: whether the owner is a room
    kind: Kind | None = None  #: None: the stanza shows it


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRecord:
    """A record that cannot become a message."""

    owner: str  #: as far as it is known
    where: str  #: its place in the source
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePage:
    """Some records, in the order in which they come in the archives."""

    records: tuple[ImportRecord, ...] = ()
    preferences: tuple[PreferencesRow, ...] = ()
    unreadable: tuple[UnreadableRecord, ...] = ()
    place: str = ""  #: the place behind this page, in JSON


class Source(Protocol):
    """An archive, or several, in another program.

    The records of each owner are in their order, and all of one owner before those of the next,
    unless the source is a file in another order.
    """

    @property
    def name(self) -> str:
        """A name that is the same whenever the same source is read; it has no secret."""
        ...

    async def total(self) -> int | None:
        """Return the number of records, None if the source cannot tell. Raises BadSource."""
        ...

    def pages(self, after: str | None = None) -> AsyncIterator[SourcePage]:
        """Yield all records behind a place, page by page. Raises BadSource."""
        ...
