"""Export all that the store has about a user, in one ZIP file.

The file has the messages of the user's archive, those that the user wrote in rooms, and the rows
of all tables about the user, as JSON lines. It is written while the store is read: no more than a
page is in memory. Each table is read as it is then; the file is no snapshot.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime

from component.core.reading.export import Export
from component.core.store_errors import translated
from component.core.xml.times import format_time, now
from storage.interface import Storage
from storage.rows import PersonalTable, Place

#: The number of rows of a table in memory at once. A row may have a stanza of some 100 kB.
PAGE = 50

MESSAGES = "messages.jsonl"
ROOM_MESSAGES = "messages-in-rooms.jsonl"

#: Each page is compressed at once, so that nothing else waits long.
_LEVEL = 1

_MICROSECOND = 1_000_000

_README = """\
All that Muniment has about {owner}, {time}

Each file has a JSON object on each line. An empty file says that there is nothing of its kind.
Secrets are not in the files: no password, no token, and no address of a receiver of push.
What ejabberd itself keeps, such as vCards, is not in them either: ask ejabberd for it.

"""


class PersonalDataExport:
    """Exports what the store has about users, for callers that are authorized already."""

    def __init__(self, storage: Storage, export: Export) -> None:
        self._storage = storage
        self._export = export

    async def zip(self, owner: str) -> AsyncGenerator[bytes]:
        """Yield a ZIP file piece by piece.

        Raises Overloaded, and Conflict if the archive is erased meanwhile.
        """
        stream = _Stream()
        tables = self._storage.personal_data.tables
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
            archive.writestr(_entry("README.txt"), _readme(owner, tables))
            for name, parts in self._files(owner, tables):
                # The size is not known before the file is written.
                with archive.open(_entry(name), "w", force_zip64=True) as file:
                    async with aclosing(parts):
                        async for part in parts:
                            file.write(part)
                            if piece := stream.take():
                                yield piece
        yield stream.take()

    def _files(
        self, owner: str, tables: tuple[PersonalTable, ...]
    ) -> list[tuple[str, AsyncGenerator[bytes]]]:
        return [
            (MESSAGES, self._export.json_lines(owner)),
            (ROOM_MESSAGES, self._room_messages(owner)),
            *((_file_name(table), self._records(owner, table.name)) for table in tables),
        ]

    async def _room_messages(self, owner: str) -> AsyncGenerator[bytes]:
        """Yield the messages that a user wrote in the rooms where the user has an affiliation."""
        rooms = {str(record["room"]) async for record in self._rows(owner, "occupants")}
        for room in sorted(rooms):
            async with aclosing(self._export.json_lines(room, author=owner)) as parts:
                async for part in parts:
                    yield part

    async def _records(self, owner: str, table: str) -> AsyncGenerator[bytes]:
        async for record in self._rows(owner, table):
            yield f"{json.dumps(record, ensure_ascii=False, default=_text)}\n".encode()

    async def _rows(self, owner: str, table: str) -> AsyncIterator[Mapping[str, object]]:
        place: Place | None = None
        while True:
            with translated():
                page = await self._storage.personal_data.page(
                    owner, table, limit=PAGE, after=place
                )
            for record in page.records:
                yield record
            place = page.place
            if place is None:
                return


class _Stream(io.RawIOBase):
    """Takes what is written to it, until it is taken; nothing can be written anew."""

    def __init__(self) -> None:
        super().__init__()
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        self._written += data
        return len(data)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        taken = bytes(self._written)
        self._written.clear()
        return taken


def _file_name(table: PersonalTable) -> str:
    return f"{table.name.replace('_', '-')}.jsonl"


def _readme(owner: str, tables: tuple[PersonalTable, ...]) -> str:
    meanings = {
        MESSAGES: "the messages of the archive",
        ROOM_MESSAGES: "the messages that the user wrote in rooms",
        **{_file_name(table): table.meaning for table in tables},
    }
    lines = [f"{name}: {meaning}" for name, meaning in meanings.items()]
    return _README.format(owner=owner, time=format_time(now())) + "\n".join(lines) + "\n"


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, datetime.now(UTC).timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    # The files have private messages, so only their owner may read them.
    entry.external_attr = 0o600 << 16
    return entry


def _text(value: object) -> str:
    """Return a time as text. Raises TypeError for any other value."""
    if not isinstance(value, datetime):
        raise TypeError(f"{type(value).__name__} is no value of a record")
    return format_time(round(value.timestamp() * _MICROSECOND))
