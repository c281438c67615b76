"""Read archives and their preferences from files of XEP-0227 (Portable Import/Export Format, 1.1).

The file is read as a stream, and no more than one stanza is kept. DTDs are refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

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
from component.core.xml.namespaces import NS_CLIENT, SEPARATOR
from component.core.xml.times import parse_time
from storage.rows import PreferencesRow

_MAM = "urn:xmpp:mam:2"
_MESSAGE = (NS_CLIENT, "message")
_FORWARDED = ("urn:xmpp:forward:0", "forwarded")
_RESULT = (_MAM, "result")
_DELAY = ("urn:xmpp:delay", "delay")

_PIECE = 64 * 1024

#: The largest stanza in bytes.
STANZA_MAX = 16 * 1024 * 1024

_DEPTH_MAX = 600

#: The largest text of an address, and the longest list of them, in preferences.
_JID_MAX, _LISTED_MAX = 4000, 10_000


@dataclass(slots=True)
class _Result:
    """A result whose end was not read yet."""

    owner: str
    id: str
    at: int | None = None
    start: int = -1  #: place of the stanza
    end: int = -1
    xml: bytes | None = None
    reason: str = ""


@dataclass(slots=True)
class _Preferences:
    owner: str
    default: str
    always: list[str] = field(default_factory=list)
    never: list[str] = field(default_factory=list)


class PortableFile:
    """A file of one or more users."""

    def __init__(self, path: Path, hosts: Hosts) -> None:
        """`hosts` has the room services, whose rooms own archives."""
        self._path = path
        self._hosts = hosts
        self.name = f"xep-0227 {path.absolute()}"

    async def total(self) -> int | None:
        return None

    async def pages(self, after: str | None = None) -> AsyncIterator[SourcePage]:
        reader, skipped = _Reader(self._hosts), int(after or 0)
        try:
            with self._path.open("rb") as file:
                is_last = False
                while not is_last:
                    is_last = await asyncio.to_thread(reader.read_page, file)
                    page = reader.take(skipped)
                    if page is not None:
                        yield page
        except OSError as error:
            raise BadSource(f"{self._path}: {error.strerror}") from error
        except (expat.ExpatError, _Refused) as error:
            raise BadSource(f"{self._path}: this is no file of XEP-0227: {error}") from error


class _Refused(Exception):
    """The file has anything that no such file needs."""


class _Reader:
    """Reads results out of a stream of bytes."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._count = 0
        self._path: list[tuple[str, str]] = []
        self._host = self._user = ""
        self._result: _Result | None = None
        self._preferences: _Preferences | None = None
        self._list: list[str] | None = None
        self._text: str | None = None
        self._done: list[ImportRecord | UnreadableRecord | PreferencesRow] = []
        self._size = 0  # bytes of the stanzas on the page
        self._buffer, self._base = bytearray(), 0
        parser = self._parser = expat.ParserCreate(namespace_separator=SEPARATOR)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse_doctype

    def read_page(self, file: BinaryIO) -> bool:
        """Read until a page is full; return whether the file is at its end."""
        self._size = 0
        while len(self._done) < PAGE and self._size < PAGE_BYTES:
            piece = file.read(_PIECE)
            self._buffer += piece
            self._parser.Parse(piece, not piece)
            if not piece:
                return True
            self._forget()
        return False

    def take(self, skipped: int) -> SourcePage | None:
        """Return what was read, without the first `skipped` results of the file."""
        done, self._done = self._done, []
        results = [item for item in done if not isinstance(item, PreferencesRow)]
        first = self._count - len(results)
        results = results[max(0, skipped - first) :]
        preferences = tuple(item for item in done if isinstance(item, PreferencesRow))
        if not results and not preferences:
            return None
        return SourcePage(
            records=tuple(item for item in results if isinstance(item, ImportRecord)),
            unreadable=tuple(item for item in results if isinstance(item, UnreadableRecord)),
            preferences=preferences,
            place=str(max(self._count, skipped)),
        )

    def _forget(self) -> None:
        """Drop the bytes before the stanza that is being read."""
        keep = self._parser.CurrentByteIndex
        if self._result is not None and self._result.start >= 0 and self._result.xml is None:
            keep = min(keep, self._result.start)
        # Handlers may have been called for a tag whose end was not read yet.
        keep = min(keep, self._base + len(self._buffer))
        if self._base + len(self._buffer) - keep > STANZA_MAX:
            raise _Refused("a stanza is larger than 16 MiB")
        del self._buffer[: keep - self._base]
        self._base = keep

    def _refuse_doctype(self, *_: object) -> None:
        raise _Refused("it has a DTD")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._close_stanza()
        if len(self._path) >= _DEPTH_MAX:
            raise _Refused("it is nested too deep")
        ns, _, local = name.rpartition(SEPARATOR)
        parent = self._path[-1] if self._path else ("", "")
        if not self._path and local != "server-data":
            raise _Refused("it does not begin with server-data")
        self._path.append((ns, local))
        depth = len(self._path)
        if depth == 2 and local == "host":
            self._host = attributes.get("jid", "")
        elif depth == 3 and local == "user":
            self._user = attributes.get("name", "")
        elif (ns, local) == _RESULT and depth == 5:
            self._result = _Result(f"{self._user}@{self._host}", attributes.get("id", ""))
        elif self._result is None:
            self._start_of_preferences(ns, local, depth, attributes)
        elif parent == _FORWARDED and depth == 7:
            self._start_of_forwarded(self._result, ns, local, attributes)

    def _start_of_forwarded(
        self, result: _Result, ns: str, local: str, attributes: dict[str, str]
    ) -> None:
        if (ns, local) == _DELAY:
            try:
                result.at = parse_time(attributes.get("stamp", ""))
            except BadRequest as error:
                result.reason = error.message
        elif (ns, local) == _MESSAGE:
            result.start = self._parser.CurrentByteIndex

    def _start_of_preferences(
        self, ns: str, local: str, depth: int, attributes: dict[str, str]
    ) -> None:
        if local == "prefs" and ns == _MAM and depth == 4:
            owner = f"{self._user}@{self._host}"
            self._preferences = _Preferences(owner, attributes.get("default", ""))
        elif self._preferences is not None and local in ("always", "never"):
            self._list = getattr(self._preferences, local)
        elif self._list is not None and local == "jid":
            self._text = ""

    def _end(self, name: str) -> None:
        self._close_stanza()
        path = self._path.pop()
        depth = len(self._path)
        if self._result is not None:
            if path == _MESSAGE and depth == 6:
                self._result.end = 0  # known at the next event, which begins behind the tag
            elif path == _RESULT and depth == 4:
                self._finish(self._result)
                self._result = None
        else:
            self._end_of_preferences(path)

    def _end_of_preferences(self, path: tuple[str, str]) -> None:
        if self._preferences is None:
            return
        if path[1] == "jid" and self._list is not None and self._text is not None:
            self._list.append(self._text.strip())
            if len(self._list) > _LISTED_MAX:
                raise _Refused(f"preferences have more than {_LISTED_MAX} addresses")
            self._text = None
        elif path[1] in ("always", "never"):
            self._list = None
        elif path[1] == "prefs":
            if self._preferences.default in ("always", "never", "roster"):
                self._done.append(
                    PreferencesRow(
                        owner=self._preferences.owner,
                        default=self._preferences.default,
                        always=tuple(self._preferences.always),
                        never=tuple(self._preferences.never),
                    )
                )
            self._preferences = None

    def _characters(self, text: str) -> None:
        self._close_stanza()
        if self._text is not None:
            self._text += text
            if len(self._text) > _JID_MAX:
                raise _Refused("an address in preferences is too long")

    def _close_stanza(self) -> None:
        """Cut the stanza whose end tag came just before this event out of the buffer."""
        result = self._result
        if result is None or result.end != 0:
            return
        result.end = self._parser.CurrentByteIndex
        result.xml = bytes(self._buffer[result.start - self._base : result.end - self._base])

    def _finish(self, result: _Result) -> None:
        self._count += 1
        reason = result.reason
        if result.xml is None:
            reason = reason or "it has no message"
        elif result.at is None:
            reason = reason or "it has no time"
        if reason or result.xml is None or result.at is None:
            where = f"result {result.id}"
            self._done.append(UnreadableRecord(owner=result.owner, where=where, reason=reason))
            return
        is_of_room = self._hosts.is_room(result.owner)
        self._size += len(result.xml)
        self._done.append(
            ImportRecord(
                owner=result.owner,
                at=result.at,
                xml=result.xml.decode(errors="surrogateescape"),
                old_id=result.id,
                is_of_room=is_of_room,
            )
        )
