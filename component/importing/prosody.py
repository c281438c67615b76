"""The archives of Prosody, in its files (storage `internal`) and in SQL (storage `sql`).

The archive of a user is in the store `archive`, that of a room in the store `muc_log` of the host
of its service. The order is that of the store, and the id of a message is its key.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path
from urllib.parse import unquote

from component.core.importing.records import (
    PAGE,
    PAGE_BYTES,
    BadSource,
    ImportRecord,
    SourcePage,
    UnreadableRecord,
)
from component.importing.databases import ForeignDatabase, Row
from component.importing.lua import NotLua, Table, items, returned
from component.importing.prosody_stanzas import NoStanza, stanza_xml
from storage.rows import PreferencesRow

USERS, ROOMS = "archive", "muc_log"

_STORES = (USERS, ROOMS)

_COLUMNS = frozenset({"sort_id", "host", "user", "store", "key", "when", "with", "type", "value"})

#: The names of the files, as Prosody encodes them: %40 for @.
_ENCODED = re.compile(r"(?:[A-Za-z0-9_]|%[0-9a-f]{2})+")

#: The largest file of preferences.
_PREFERENCES_MAX = 1024 * 1024

_DEFAULTS = {True: "always", False: "never", "roster": "roster"}


class ProsodySql:
    """The table `prosodyarchive`."""

    def __init__(self, database: ForeignDatabase, name: str) -> None:
        self._database = database
        self.name = f"prosody {name}"

    async def total(self) -> int | None:
        await self._check()
        rows = await self._database.fetch(
            'SELECT count(*) FROM "prosodyarchive" WHERE "store" IN ($1, $2)', *_STORES
        )
        return int(rows[0][0])

    async def pages(self, after: str | None = None) -> AsyncIterator[SourcePage]:
        await self._check()
        place = tuple(json.loads(after)) if after else ("", "", "", 0)
        archives = await self._database.fetch(
            'SELECT DISTINCT "host", "user", "store" FROM "prosodyarchive"'
            ' WHERE "store" IN ($1, $2)',
            *_STORES,
        )
        for archive in sorted(map(tuple, archives)):
            if archive < place[:3]:
                continue
            # No index has the order of an archive, so its numbers are sorted here once.
            numbers = await self._database.fetch(
                'SELECT "sort_id" FROM "prosodyarchive"'
                ' WHERE "host" = $1 AND "user" = $2 AND "store" = $3 AND "sort_id" > $4',
                *archive,
                place[3] if archive == place[:3] else 0,
            )
            ordered = sorted(row[0] for row in numbers)
            for start in range(0, len(ordered), PAGE):
                chunk = ordered[start : start + PAGE]
                rows = await self._database.fetch(_rows_sql(len(chunk)), *chunk)
                yield _sql_page(rows, json.dumps([*archive, chunk[-1]]))

    async def _check(self) -> None:
        columns = await self._database.columns("prosodyarchive")
        if not columns >= _COLUMNS:
            raise BadSource("there is no table prosodyarchive of Prosody with all its columns")


def _rows_sql(count: int) -> str:
    """Return the query for rows by their numbers."""
    numbers = ", ".join(f"${n}" for n in range(1, count + 1))
    return (
        'SELECT "host", "user", "store", "sort_id", "key", "when", "type", "value"'  # noqa: S608 - constant words
        f' FROM "prosodyarchive" WHERE "sort_id" IN ({numbers}) ORDER BY "sort_id"'
    )


def _sql_page(rows: Sequence[Row], place: str) -> SourcePage:
    records: list[ImportRecord] = []
    unreadable: list[UnreadableRecord] = []
    for host, user, store, number, key, when, type, value in rows:
        owner = f"{user}@{host}"
        if type != "xml":
            unreadable.append(
                UnreadableRecord(owner=owner, where=f"row {number}", reason=f"its type is {type}")
            )
            continue
        records.append(
            ImportRecord(
                owner=owner,
                at=_micros(when),
                xml=value,
                old_id=key,
                is_of_room=store == ROOMS,
            )
        )
    return SourcePage(records=tuple(records), unreadable=tuple(unreadable), place=place)


class ProsodyFiles:
    """The folder of Prosody's data, usually /var/lib/prosody."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = f"prosody {folder.absolute()}"

    async def total(self) -> int | None:
        self._check()
        return None

    async def pages(self, after: str | None = None) -> AsyncIterator[SourcePage]:
        self._check()
        last, start = json.loads(after) if after else ("", 0)
        lists = list(self._lists())
        names = [file.relative_to(self._folder).as_posix() for file, _, _ in lists]
        first = names.index(last) if last in names else 0
        for name, (_, owner, is_of_room) in zip(names[first:], lists[first:], strict=True):
            reading = _pages_of(
                self._folder / name, name, owner, is_of_room, start if name == last else 0
            )
            while (page := await asyncio.to_thread(next, reading, None)) is not None:
                yield page
        for file, owner in self._preferences():
            yield _preferences_page(file, owner)

    def _check(self) -> None:
        if not self._folder.is_dir():
            raise BadSource(f"{self._folder}: there is no such folder")
        if next(self._lists(), None) is None:
            raise BadSource(
                f"{self._folder}: no archive is here: it would be in a folder like"
                " chat%2eexample/archive"
            )

    def _lists(self) -> Iterator[tuple[Path, str, bool]]:
        """Yield the files of archives in their order: path, owner, whether it is a room."""
        for host, folder in self._hosts():
            for store in _STORES:
                for user, file in _files(folder / store, ".list"):
                    yield file, f"{user}@{host}", store == ROOMS

    def _preferences(self) -> Iterator[tuple[Path, str]]:
        for host, folder in self._hosts():
            for user, file in _files(folder / "archive_prefs", ".dat"):
                yield file, f"{user}@{host}"

    def _hosts(self) -> Iterator[tuple[str, Path]]:
        for folder in sorted(self._folder.iterdir()):
            if folder.is_dir() and _ENCODED.fullmatch(folder.name):
                yield unquote(folder.name), folder


def _files(folder: Path, suffix: str) -> Iterator[tuple[str, Path]]:
    """Yield the local parts and the files of a store."""
    if not folder.is_dir():
        return
    for file in sorted(folder.iterdir()):
        if file.suffix == suffix and _ENCODED.fullmatch(file.stem) and file.is_file():
            yield unquote(file.stem), file


def _pages_of(
    file: Path, relative: str, owner: str, is_of_room: bool, start: int
) -> Iterator[SourcePage]:
    if not file.stat().st_size:
        return
    records: list[ImportRecord] = []
    unreadable: list[UnreadableRecord] = []
    place, size = start, 0
    # The file is mapped, so that its size does not matter.
    with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as text:
        try:
            for item, place in items(text, start):
                try:
                    records.append(_record(item, owner, is_of_room))
                    size += len(records[-1].xml)
                except (NoStanza, ValueError, OverflowError) as error:
                    unreadable.append(
                        UnreadableRecord(owner=owner, where=f"byte {place}", reason=str(error))
                    )
                if len(records) + len(unreadable) == PAGE or size > PAGE_BYTES:
                    yield _page(records, unreadable, relative, place)
                    records, unreadable, size = [], [], 0
        except NotLua as error:
            raise BadSource(f"{file}: this is no archive of Prosody: {error}") from error
    yield _page(records, unreadable, relative, place)


def _page(
    records: list[ImportRecord], unreadable: list[UnreadableRecord], relative: str, place: int
) -> SourcePage:
    return SourcePage(
        records=tuple(records),
        unreadable=tuple(unreadable),
        place=json.dumps([relative, place]),
    )


def _record(item: Table, owner: str, is_of_room: bool) -> ImportRecord:
    key = item.get("key")
    return ImportRecord(
        owner=owner,
        at=_micros(item.get("when")),
        xml=stanza_xml(item),
        old_id=key if isinstance(key, str) else "",
        is_of_room=is_of_room,
    )


def _micros(when: object) -> int:
    """Return a time in seconds as microseconds. Raises ValueError."""
    if not isinstance(when, int | float) or not math.isfinite(when):
        raise ValueError("its time is no number")
    return round(when * 1_000_000)


def _preferences_page(file: Path, owner: str) -> SourcePage:
    try:
        if file.stat().st_size > _PREFERENCES_MAX:
            raise ValueError("the file is too large")
        row = _preferences_row(owner, returned(file.read_bytes()))
    except ValueError as error:
        unreadable = UnreadableRecord(owner=owner, where="preferences", reason=str(error))
        return SourcePage(unreadable=(unreadable,))
    return SourcePage(preferences=(row,))


def _preferences_row(owner: str, value: object) -> PreferencesRow:
    if not isinstance(value, dict):
        raise ValueError("this is no table")
    default = value.get(False, True)
    if not isinstance(default, bool | str) or default not in _DEFAULTS:
        raise ValueError("the default is unknown")
    listed: dict[bool, list[str]] = {True: [], False: []}
    for jid, is_kept in value.items():
        if isinstance(jid, str) and isinstance(is_kept, bool):
            listed[is_kept].append(jid)
    return PreferencesRow(
        owner=owner,
        default=_DEFAULTS[default],
        always=tuple(sorted(listed[True])),
        never=tuple(sorted(listed[False])),
    )
