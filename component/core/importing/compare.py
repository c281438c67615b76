"""Compare archives of another program with those of the store, message by message."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from component.core.errors import BadRequest
from component.core.hosts import Hosts
from component.core.importing.messages import NotServed, imported_message
from component.core.importing.records import BadSource, ImportRecord, Source
from component.core.xml.jids import Jids
from component.core.xml.stanza import digest_of, parse
from storage.interface import Storage
from storage.rows import ArchivedMessage, Direction, Filter, Kind

#: The number of messages of the store that one query reads.
PAGE = 250

#: The number of missing messages of an archive that a report names on each side.
NAMED_MAX = 10

#: Called with a number of records.
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class MissingMessage:
    """A message that one of the two archives lacks."""

    id: str  #: in the archive that has it
    at: int  #: microseconds
    peer: str


@dataclass(slots=True)
class OwnerComparison:
    """What both archives of one owner have."""

    owner: str
    here: int = 0  #: messages in the store
    there: int = 0  #: messages in the source
    unreadable: int = 0  #: records of the source that are no messages
    removed: int = 0  #: messages of the store whose content was removed
    missing_here: int = 0
    missing_there: int = 0
    named_here: list[MissingMessage] = field(default_factory=list)  #: up to NAMED_MAX
    named_there: list[MissingMessage] = field(default_factory=list)

    @property
    def is_alike(self) -> bool:
        """Whether neither lacks a message of the other."""
        return not self.missing_here and not self.missing_there


class Comparer:
    """Compares sources with one store, which is only read.

    Two messages are the same if they have the same peer, direction, id and text. Neither times nor
    order count: the clocks of two archives differ.
    """

    def __init__(self, storage: Storage, hosts: Hosts, jids: Jids) -> None:
        self._storage = storage
        self._hosts = hosts
        self._jids = jids

    async def run(
        self,
        source: Source,
        *,
        since: int | None = None,
        others: bool = False,
        progress: Progress = lambda _: None,
    ) -> AsyncIterator[OwnerComparison]:
        """Yield a comparison for each owner in the source whose domain is served here.

        `since` leaves older messages out, and `others` adds the archives of owners who are not in
        the source. Memory is needed for the digests of one archive. Raises BadSource.
        """
        compared: set[str] = set()
        async for archive in self._archives(source, since, progress):
            if archive.owner in compared:
                raise BadSource(
                    f"the source has the records of {archive.owner} in several places: sort it"
                    " by owner"
                )
            compared.add(archive.owner)
            if not archive.is_served:
                continue
            yield await self._compare(archive, since)
        if others:
            async for owner in self._owners():
                if owner not in compared:
                    yield await self._compare(_Archive(owner), since)

    async def _archives(
        self, source: Source, since: int | None, progress: Progress
    ) -> AsyncIterator[_Archive]:
        """Yield the archives of a source, one after the other."""
        current: _Archive | None = None
        async for page in source.pages():
            for record in page.records:
                if since is not None and record.at < since:
                    continue
                if current is None or current.owner != record.owner:
                    if current is not None:
                        yield current
                    current = _Archive(record.owner)
                self._add(current, record)
            progress(len(page.records))
        if current is not None:
            yield current

    def _add(self, archive: _Archive, record: ImportRecord) -> None:
        try:
            message = imported_message(record, self._hosts, self._jids).message
        except NotServed:
            archive.is_served = False
            return
        except BadRequest:
            archive.unreadable += 1
            return
        name = _name(message.peer, message.direction, message.xml)
        archive.names[name] += 1
        archive.shown.setdefault(name, MissingMessage(record.old_id, record.at, message.peer))

    async def _compare(self, archive: _Archive, since: int | None) -> OwnerComparison:
        comparison = OwnerComparison(archive.owner, unreadable=archive.unreadable)
        comparison.there = archive.names.total()
        names = archive.names
        async for message in self._messages(archive.owner, since):
            comparison.here += 1
            if message.kind in (Kind.BLANKED, Kind.TOMBSTONE):
                comparison.removed += 1
                continue
            name = _name(message.peer, message.direction, message.xml)
            if names[name]:
                names[name] -= 1
                continue
            comparison.missing_there += 1
            if len(comparison.named_here) < NAMED_MAX:
                shown = MissingMessage(message.id, message.at, message.peer)
                comparison.named_here.append(shown)
        # The source has those whose content was removed here.
        left = names.total() - min(comparison.removed, names.total())
        comparison.missing_here = left
        if left:
            comparison.named_there += _first(names, archive.shown)
        return comparison

    async def _messages(self, owner: str, since: int | None) -> AsyncIterator[ArchivedMessage]:
        after: str | None = None
        while True:
            page = await self._storage.archive.page(
                owner, Filter(since=since), limit=PAGE, after=after, max_bytes=8 * 1024 * 1024
            )
            for message in page.messages:
                yield message
            if page.complete:
                return
            after = page.messages[-1].id

    async def _owners(self) -> AsyncIterator[str]:
        last = ""
        while usage := await self._storage.retention.usage(after=last):
            for archive in usage:
                yield archive.owner
            last = usage[-1].owner


@dataclass(slots=True)
class _Archive:
    """The messages of one owner in the source, by the names that `_name` gives them."""

    owner: str
    names: Counter[bytes] = field(default_factory=Counter)
    shown: dict[bytes, MissingMessage] = field(default_factory=dict)
    unreadable: int = 0
    is_served: bool = True


def _first(names: Counter[bytes], shown: dict[bytes, MissingMessage]) -> Iterator[MissingMessage]:
    left = (shown[name] for name, count in names.items() if count)
    for message, _ in zip(left, range(NAMED_MAX), strict=False):
        yield message


def _name(peer: str, direction: Direction, xml: str) -> bytes:
    stanza = parse(xml)
    parts = (peer, direction.value, stanza.id, stanza.body or "")
    name = digest_of(part.encode() for part in parts)
    # Without id and text the rest of the message has to distinguish it.
    return name if stanza.id or stanza.body else digest_of((name, stanza.digest))
