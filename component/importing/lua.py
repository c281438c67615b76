"""Reads values that Prosody has written in the syntax of Lua; nothing is executed.

Only what Prosody's `util.serialization` writes is accepted: tables, strings, numbers, booleans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from mmap import mmap

#: A table: its values by key; the elements of a list have the keys 1, 2...
Table = dict[object, object]

#: Prosody itself nests no deeper than 127.
_DEPTH_MAX = 127

#: A longer item is no stanza.
_ITEM_MAX = 16 * 1024 * 1024

_SPACE = re.compile(rb"[\s;]*")
_BLANK = re.compile(rb"\s*")
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
# Possessive, because the matcher would remember each character otherwise.
_STRING = re.compile(rb'"((?:[^"\\\n]++|\\(?:\d{1,3}+|[abfnrtv\\"\'\n]))*+)"')
_NAME = re.compile(rb"([A-Za-z_]\w*)\s*=(?!=)")
_WORDS = {b"true": True, b"false": False, b"nil": None}
_WORD = re.compile(rb"true|false|nil")
_ESCAPE = re.compile(rb"\\(\d{1,3}|.)", re.DOTALL)
_ESCAPES = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
}


class NotLua(ValueError):
    """The file has anything else than values; the text says where."""


def items(text: bytes | mmap, start: int = 0) -> Iterator[tuple[Table, int]]:
    """Yield the tables of a list, as `item({...});` lines have them, and the place behind each.

    `start` is the place behind an item, or 0. Raises NotLua.
    """
    place = _skip(text, start)
    while place < len(text):
        if text[place : place + 5] != b"item(":
            raise NotLua(f"byte {place}: an item is expected")
        reader = _Reader(text, place + 5, place + _ITEM_MAX)
        value = reader.value(0)
        if not isinstance(value, dict) or not reader.take(b")"):
            raise NotLua(f"byte {reader.place}: an item is one table")
        place = _skip(text, reader.place)
        yield value, place


def returned(text: bytes) -> object:
    """Return the value of a file that has `return VALUE;`. Raises NotLua."""
    if not text.startswith(b"return"):
        raise NotLua("byte 0: return is expected")
    reader = _Reader(text, len(b"return"), len(text))
    value = reader.value(0)
    if _skip(text, reader.place) != len(text):
        raise NotLua(f"byte {reader.place}: nothing is expected behind the value")
    return value


def _skip(text: bytes | mmap, place: int) -> int:
    match = _SPACE.match(text, place)
    return place if match is None else match.end()


class _Reader:
    """Reads one value."""

    def __init__(self, text: bytes | mmap, place: int, end: int) -> None:
        self._text = text
        self.place = place
        self._end = end

    def take(self, token: bytes) -> bool:
        """Skip white space and, if it follows, a token; return whether it does."""
        if match := _BLANK.match(self._text, self.place):
            self.place = match.end()
        if self._text[self.place : self.place + len(token)] != token:
            return False
        self.place += len(token)
        return True

    def value(self, depth: int) -> object:
        """Return the next value."""
        if depth > _DEPTH_MAX or self.place > self._end:
            raise self._error("the value is too large or nested too deep")
        if self.take(b"{"):
            return self._table(depth)
        if match := _STRING.match(self._text, self.place, self._end):
            self.place = match.end()
            return _unescaped(match[1]).decode(errors="surrogateescape")
        if match := _NUMBER.match(self._text, self.place):
            self.place = match.end()
            text = match[0]
            return int(text) if text.lstrip(b"-").isdigit() else float(text)
        if match := _WORD.match(self._text, self.place):
            self.place = match.end()
            return _WORDS[match[0]]
        raise self._error("a table, a text, a number, true, false or nil is expected")

    def _table(self, depth: int) -> Table:
        table: Table = {}
        count = 0
        while not self.take(b"}"):
            key: object
            if self.take(b"["):
                key = self.value(depth + 1)
                if isinstance(key, dict) or not (self.take(b"]") and self.take(b"=")):
                    raise self._error("a key like [1] = is expected")
            elif match := _NAME.match(self._text, self.place):
                self.place = match.end()
                key = match[1].decode()
            else:
                count += 1
                key = count
            table[key] = self.value(depth + 1)
            if not self.take(b";") and not self.take(b","):
                if self.take(b"}"):
                    break
                raise self._error("; or } is expected")
        return table

    def _error(self, reason: str) -> NotLua:
        return NotLua(f"byte {self.place}: {reason}")


def _unescaped(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    return _ESCAPE.sub(_character, text)


def _character(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if code.isdigit():
        if (number := int(code)) > 255:
            raise NotLua(f"{number} is no byte")
        return bytes((number,))
    return _ESCAPES.get(code, code)
