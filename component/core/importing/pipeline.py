"""Import archives: from records to messages, then into the store in their order, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from component.core.errors import BadRequest
from component.core.hosts import Hosts
from component.core.importing.messages import NotServed, imported_message
from component.core.importing.records import (
    ImportRecord,
    Source,
    SourcePage,
    UnreadableRecord,
)
from component.core.wording import count_of
from component.core.xml.jids import Jids
from component.core.xml.times import now
from storage.interface import Storage
from storage.rows import (
    AuditEntry,
    Filter,
    ImportedMessage,
    ImportOutcome,
    PreferencesRow,
    Room,
    RoomChanges,
)

#: Who imports, and what that is, in the audit log.
ACTOR, ACTION = "command line", "import"

#: The number of messages of one transaction.
BATCH = 500

#: The number of unreadable records that a report names.
NAMED_MAX = 20

#: One message in so many of an archive is compared with its copy.
SAMPLED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """The part of a source that is imported, and the way."""

    is_dry_run: bool = False  #: count only
    behind: bool = False  #: also into archives that have messages and no room before them
    owners: frozenset[str] = frozenset()  #: bare JIDs; empty: all
    since: int | None = None  #: earliest time, microseconds


@dataclass(slots=True)
class OwnerReport:
    """The numbers of one archive."""

    read: int = 0
    added: int = 0
    present: int = 0  #: the archive had them already
    no_room: int = 0
    unreadable: int = 0
    not_served: int = 0  #: the domain is not served here
    missing: int = 0  #: found by the verification
    different: int = 0  #: samples whose copy has another time or text
    first_at: int | None = None
    last_at: int | None = None

    def add_time(self, at: int) -> None:
        """Add the time of a record."""
        self.first_at = at if self.first_at is None else min(self.first_at, at)
        self.last_at = at if self.last_at is None else max(self.last_at, at)


@dataclass(slots=True)
class ImportReport:
    """The result of an import."""

    owners: dict[str, OwnerReport] = field(default_factory=dict)
    named: list[UnreadableRecord] = field(default_factory=list)  #: up to NAMED_MAX of them
    preferences: int = 0
    is_resumed: bool = False

    def of(self, owner: str) -> OwnerReport:
        """Return the numbers of an owner."""
        return self.owners.setdefault(owner, OwnerReport())

    def sum(self, number: str) -> int:
        """Return the sum of one of the numbers over all owners."""
        return sum(getattr(report, number) for report in self.owners.values())

    @property
    def changed(self) -> int:
        """The number of archives to which messages were added."""
        return sum(bool(report.added) for report in self.owners.values())

    def note_unreadable(self, record: UnreadableRecord) -> None:
        """Count an unreadable record."""
        self.of(record.owner).unreadable += 1
        if len(self.named) < NAMED_MAX:
            self.named.append(record)


#: Called with the number of records that were read.
Progress = Callable[[int], None]


class Importer:
    """Imports sources into one store, and verifies what was imported."""

    def __init__(self, storage: Storage, hosts: Hosts, jids: Jids) -> None:
        self._storage = storage
        self._hosts = hosts
        self._jids = jids

    async def run(
        self, source: Source, options: ImportOptions, progress: Progress = lambda _: None
    ) -> ImportReport:
        """Import a source, from the place on that an earlier run has reached.

        Raises BadSource and the errors of the store.
        """
        imports, report = self._storage.imports, ImportReport()
        name = _name(source, options)
        place = None if options.is_dry_run else await imports.place(name)
        report.is_resumed = place is not None
        rooms: set[str] = set()
        async for page in source.pages(place):
            messages = self._messages(page, options, report)
            batches = [messages[n : n + BATCH] for n in range(0, len(messages), BATCH)] or [[]]
            for batch in batches:
                if options.is_dry_run:
                    outcomes = await imports.outcomes(batch, behind=options.behind)
                else:
                    await self._note_rooms(batch, rooms)
                    is_last = batch is batches[-1]
                    outcomes = await imports.add(
                        batch,
                        behind=options.behind,
                        source=name if is_last and page.place else "",
                        place=page.place,
                    )
                _count(batch, outcomes, report)
            await self._set_preferences(page.preferences, options, report)
            progress(len(page.records) + len(page.unreadable))
        if not options.is_dry_run:
            await self._log(source, report)
            await imports.forget(name)
        return report

    async def _note_rooms(self, batch: Sequence[ImportedMessage], noted: set[str]) -> None:
        """Note that rooms whose archives are imported were persistent.

        So one that is persistent at the start is the same room, and its members read its archive.
        """
        for owner in {imported.message.owner for imported in batch} - noted:
            noted.add(owner)
            if self._hosts.is_room(owner) and await self._storage.rooms.get(owner) == Room():
                await self._storage.rooms.change(RoomChanges(room=owner, is_persistent=True))

    async def _log(self, source: Source, report: ImportReport) -> None:
        """Enter each archive to which messages were added into the audit log."""
        at = now()
        entries = [
            AuditEntry(
                at=at,
                actor=ACTOR,
                action=ACTION,
                subject=owner,
                detail=f"{count_of(numbers.added, 'message')} from {source.name}",
            )
            for owner, numbers in report.owners.items()
            if numbers.added
        ]
        for start in range(0, len(entries), BATCH):
            await self._storage.archive.append(entries[start : start + BATCH])

    async def verify(
        self,
        source: Source,
        options: ImportOptions,
        report: ImportReport,
        progress: Progress = lambda _: None,
    ) -> None:
        """Read the source once more, and add to the report what the store lacks.

        Each record has to be in the store by its key. The first of each archive, and one in
        SAMPLED of the others, has to have the same time and the same text. Raises BadSource.
        """
        read: dict[str, int] = {}
        async for page in source.pages():
            messages = self._messages(page, options, ImportReport())
            for start in range(0, len(messages), BATCH):
                batch = messages[start : start + BATCH]
                outcomes = await self._storage.imports.outcomes(batch)
                for imported, outcome in zip(batch, outcomes, strict=True):
                    owner = imported.message.owner
                    count = read[owner] = read.get(owner, 0) + 1
                    if outcome is not ImportOutcome.PRESENT:
                        report.of(owner).missing += 1
                    elif count % SAMPLED == 1 and not await self._is_alike(imported):
                        report.of(owner).different += 1
            progress(len(page.records) + len(page.unreadable))

    async def _is_alike(self, imported: ImportedMessage) -> bool:
        """Return whether the stored message has the time and the text of a record."""
        message = imported.message
        if not imported.old_id:
            return True
        page = await self._storage.archive.page(
            message.owner, Filter(ids=(imported.old_id,)), limit=1
        )
        [stored] = page.messages
        # A message that arrived here too has the time of our own clock.
        is_near = abs(stored.at - message.at) < 2 * 60_000_000
        return is_near and (stored.xml == message.xml or stored.peer == message.peer)

    def _messages(
        self, page: SourcePage, options: ImportOptions, report: ImportReport
    ) -> list[ImportedMessage]:
        messages = []
        for unreadable in page.unreadable:
            report.note_unreadable(unreadable)
        for record in page.records:
            if _is_excluded(record, options):
                continue
            try:
                imported = imported_message(record, self._hosts, self._jids)
            except NotServed:
                report.of(record.owner).not_served += 1
                continue
            except BadRequest as error:
                where = f"message {record.old_id or record.at}"
                report.note_unreadable(
                    UnreadableRecord(owner=record.owner, where=where, reason=error.message)
                )
                continue
            numbers = report.of(imported.message.owner)
            numbers.read += 1
            numbers.add_time(record.at)
            messages.append(imported)
        return messages

    async def _set_preferences(
        self, rows: Iterable[PreferencesRow], options: ImportOptions, report: ImportReport
    ) -> None:
        """Store the preferences of users who have none here."""
        for row in rows:
            if options.owners and row.owner not in options.owners:
                continue
            if not self._hosts.is_user(row.owner):
                continue
            if await self._storage.preferences.get(row.owner) is None:
                if not options.is_dry_run:
                    await self._storage.preferences.set(row)
                report.preferences += 1


def _is_excluded(record: ImportRecord, options: ImportOptions) -> bool:
    if options.owners and record.owner not in options.owners:
        return True
    return options.since is not None and record.at < options.since


def _count(
    batch: Sequence[ImportedMessage], outcomes: Sequence[ImportOutcome], report: ImportReport
) -> None:
    for imported, outcome in zip(batch, outcomes, strict=True):
        numbers = report.of(imported.message.owner)
        match outcome:
            case ImportOutcome.ADDED:
                numbers.added += 1
            case ImportOutcome.PRESENT:
                numbers.present += 1
            case ImportOutcome.NO_ROOM:
                numbers.no_room += 1


def _name(source: Source, options: ImportOptions) -> str:
    """Return the name under which the store keeps the place of an import."""
    parts = [source.name, *sorted(options.owners)]
    if options.since is not None:
        parts.append(f"since {options.since}")
    return " ".join(parts)
