"""CSV files, with a mapping from fields of a message to the columns of the file."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

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
from component.core.xml.namespaces import NS_CLIENT
from component.core.xml.times import parse_time
from component.importing.csv_fields import FIELDS
from storage.rows import Direction

_FIELD_MAX = 16 * 1024 * 1024


class CsvFile:
    """A file whose first row has the names of the columns."""

    def __init__(
        self, path: Path, columns: Mapping[str, str], hosts: Hosts, *, delimiter: str = ","
    ) -> None:
        """`columns` has the column of each field, if it is not the name of the field."""
        self._path = path
        self._columns = {name: columns.get(name, name) for name in FIELDS}
        self._named = frozenset(columns)
        self._hosts = hosts
        self._delimiter = delimiter
        self.name = f"csv {path.absolute()}"

    async def total(self) -> int | None:
        return None

    async def pages(self, after: str | None = None) -> AsyncIterator[SourcePage]:
        csv.field_size_limit(_FIELD_MAX)
        try:
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                rows = csv.DictReader(_lines(file), delimiter=self._delimiter, strict=True)
                self._check(rows.fieldnames or [])
                first = int(after or 0)
                numbered = islice(enumerate(rows, 1), first, None)
                while page := self._page(numbered):
                    yield page
        except OSError as error:
            raise BadSource(f"{self._path}: {error.strerror}") from error
        except (csv.Error, UnicodeDecodeError) as error:
            raise BadSource(f"{self._path}: {error}") from error

    def _check(self, names: Sequence[str]) -> None:
        missing = [
            f"{name} ({self._columns[name]})"
            for name in ("owner", "time", *self._named)
            if self._columns[name] not in names
        ]
        if missing:
            raise BadSource(
                f"{self._path}: no column for {', '.join(missing)}: name it with"
                f" --map FIELD=COLUMN. The columns are {', '.join(map(str, names[:30]))}"
            )
        if self._columns["xml"] not in names and self._columns["body"] not in names:
            raise BadSource(f"{self._path}: there is no column for xml and none for body")

    def _page(self, rows: Iterator[tuple[int, dict[str, str]]]) -> SourcePage | None:
        records: list[ImportRecord] = []
        unreadable: list[UnreadableRecord] = []
        number = size = 0
        for number, row in islice(rows, PAGE):
            fields = {name: row.get(column) or "" for name, column in self._columns.items()}
            try:
                records.append(self._record(fields))
                size += len(records[-1].xml)
            except (ValueError, BadRequest) as error:
                reason = error.message if isinstance(error, BadRequest) else str(error)
                unreadable.append(
                    UnreadableRecord(owner=fields["owner"], where=f"row {number}", reason=reason)
                )
            if size > PAGE_BYTES:
                break
        if not number:
            return None
        return SourcePage(records=tuple(records), unreadable=tuple(unreadable), place=str(number))

    def _record(self, fields: Mapping[str, str]) -> ImportRecord:
        direction = Direction(fields["direction"] or "recv")
        owner, peer = fields["owner"], fields["peer"]
        is_of_room = self._hosts.is_room(owner)
        xml = fields["xml"]
        if not xml:
            type = "groupchat" if is_of_room else fields["type"] or "chat"
            sender, recipient = (
                (owner, peer) if direction is Direction.SENT and not is_of_room else (peer, owner)
            )
            if not peer and not is_of_room:
                raise ValueError("peer: missing")
            xml = (
                f"<message xmlns='{NS_CLIENT}' type={quoteattr(type)} from={quoteattr(sender)}"
                f" to={quoteattr(recipient)}><body>{escape(fields['body'])}</body></message>"
            )
        return ImportRecord(
            owner=owner,
            at=_time(fields["time"]),
            xml=xml,
            old_id=fields["id"],
            peer=peer,
            direction=direction,
            nick=fields["nick"],
            is_of_room=is_of_room,
        )


def _lines(file: TextIO) -> Iterator[str]:
    """Yield the lines of a file. Raises csv.Error for a line without end."""
    while line := file.readline(_FIELD_MAX):
        if len(line) == _FIELD_MAX:
            raise csv.Error("a line has more than 16 million characters")
        yield line


def _time(text: str) -> int:
    seconds, _, fraction = text.partition(".")
    if seconds.isascii() and seconds.isdigit() and (not fraction or fraction.isdigit()):
        return int(seconds) * 1_000_000 + int((fraction + "000000")[:6])
    return parse_time(text)
