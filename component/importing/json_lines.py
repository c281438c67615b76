"""JSON lines, as `muniment export` writes them: one object for each message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO

from component.core.errors import BadRequest
from component.core.hosts import Hosts
from component.core.importing.records import (
    PAGE,
    PAGE_BYTES,
    BadSource,
    ImportRecord,
    SourcePage,
    UnreadableRecord,
)
from component.core.xml.jids import bare, resource
from component.core.xml.times import parse_time
from storage.rows import Direction, Kind

#: The largest line in bytes: no stanza is larger.
LINE_MAX = 16 * 1024 * 1024


class JsonLines:
    """A file of JSON lines, of one archive or of several."""

    def __init__(self, path: Path, hosts: Hosts) -> None:
        """`hosts` has the room services, whose rooms own archives."""
        self._path = path
        self._hosts = hosts
        self.name = f"json-lines {path.absolute()}"

    async def total(self) -> int | None:
        return None

    async def pages(self, after: str | None = None) -> AsyncIterator[SourcePage]:
        try:
            with self._path.open("rb") as file:
                if after:
                    file.seek(int(after))
                while page := await asyncio.to_thread(self._page, file):
                    yield page
        except OSError as error:
            raise BadSource(f"{self._path}: {error.strerror}") from error

    def _page(self, file: BinaryIO) -> SourcePage | None:
        records: list[ImportRecord] = []
        unreadable: list[UnreadableRecord] = []
        for place, line in _lines(file, self._path):
            try:
                records.append(self._record(line))
            except (ValueError, BadRequest) as error:
                reason = error.message if isinstance(error, BadRequest) else str(error)
                unreadable.append(UnreadableRecord(owner="", where=f"byte {place}", reason=reason))
        if not records and not unreadable:
            return None
        return SourcePage(
            records=tuple(records), unreadable=tuple(unreadable), place=str(file.tell())
        )

    def _record(self, line: bytes) -> ImportRecord:
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError("this is no JSON") from error
        if not isinstance(fields, dict):
            raise ValueError("this is no object")
        names = ("id", "time", "from", "to", "direction", "xml")
        texts = {name: fields.get(name) for name in names}
        for name, text in texts.items():
            if not isinstance(text, str):
                raise ValueError(f"{name}: missing, or no text")
        kind = Kind(fields["kind"]) if "kind" in fields else None
        if kind is Kind.BLANKED:
            raise ValueError("its content was removed")
        direction = Direction(str(texts["direction"]))
        owner, peer = str(texts["to"]), str(texts["from"])
        if direction is Direction.SENT:
            owner, peer = peer, owner
        owner = bare(owner)
        is_of_room = self._hosts.is_room(owner)
        return ImportRecord(
            owner=owner,
            at=parse_time(str(texts["time"])),
            xml=str(texts["xml"]),
            old_id=str(texts["id"]),
            peer=peer,
            direction=direction,
            nick=resource(peer) if is_of_room else "",
            is_of_room=is_of_room,
            kind=kind,
        )


def _lines(file: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the places and the texts of the lines of the next page."""
    count = size = 0
    while count < PAGE and size < PAGE_BYTES:
        place = file.tell()
        line = file.readline(LINE_MAX + 1)
        if not line:
            return
        if len(line) > LINE_MAX:
            raise BadSource(f"{path}: the line at byte {place} is longer than 16 MiB")
        if line.strip():
            count += 1
            size += len(line)
            yield place, line
