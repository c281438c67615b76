"""A file beside the store with messages that the store could not write, for the next start.

The file has one line for each message: the length and the CRC-32 of the JSON text, and the JSON
text, an object with the fields of the message. It holds only values and no code. Reading skips
damaged lines and counts them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any, get_type_hints
from zlib import crc32

from storage.errors import StorageError, Unavailable
from storage.rows import NewMessage

_HEADER = b"muniment spill 1\n"

#: The enumerations among the types of the fields of a message, by field.
_ENUMS: dict[str, Callable[[Any], Any]] = {
    name: hint
    for name, hint in get_type_hints(NewMessage).items()
    if isinstance(hint, type) and issubclass(hint, StrEnum)
}

#: Suffix of the file that reserves disk space: the store usually fails because the disk is full.
_RESERVE = "-reserve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spilled:
    """The content of a spill."""

    messages: tuple[NewMessage, ...] = ()
    damaged: int = 0  #: number of lines that cannot be read


class Spill:
    """The spill of one store."""

    def __init__(self, path: Path, *, reserve: int = 0) -> None:
        """`reserve` is the number of bytes to reserve on the disk."""
        self.path = path
        self._reserve = path.with_name(path.name + _RESERVE)
        self._reserve_bytes = reserve
        self._writing = Lock()  # two threads write if the end of the program takes too long

    def reserve_space(self) -> None:
        """Reserve the disk space that the spill may need. Raises Unavailable."""
        with _translated(self._reserve):
            descriptor = os.open(self._reserve, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._reserve_bytes)
            finally:
                os.close(descriptor)

    def read(self) -> Spilled:
        """Return the messages. Raises Unavailable, or StorageError for a file of another kind."""
        if not self.path.exists():
            return Spilled()
        with _translated(self.path):
            content = self.path.read_bytes()
        if not content.startswith(_HEADER):
            raise StorageError(
                f"{self.path} is not a spill file that this program can read: rename or remove it"
            )
        lines = content.removeprefix(_HEADER).splitlines()
        rows = [row for line in lines if (row := _row(line)) is not None]
        return Spilled(messages=tuple(rows), damaged=len(lines) - len(rows))

    def write(self, messages: Sequence[NewMessage]) -> None:
        """Replace the content with these messages, durably. Raises Unavailable."""
        new = self.path.with_name(self.path.name + "-new")
        with self._writing, _translated(self.path):
            # The reserved space is for this file.
            self._reserve.unlink(missing_ok=True)
            new.unlink(missing_ok=True)
            try:
                descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(_HEADER)
                    file.writelines(_lines(messages))
                    file.flush()
                    os.fsync(descriptor)
                new.replace(self.path)
                self._sync_folder()
            finally:
                new.unlink(missing_ok=True)

    def copy_damaged(self) -> None:
        """Keep the damaged file under a second name. Raises Unavailable."""
        damaged = self.path.with_name(self.path.name + "-damaged")
        with _translated(damaged):
            damaged.unlink(missing_ok=True)
            # A hard link, because a full disk has no space for a copy. The file never changes.
            damaged.hardlink_to(self.path)
            self._sync_folder()

    def remove(self) -> None:
        """Remove the file, once the store has all its messages. Raises Unavailable."""
        with _translated(self.path):
            self.path.unlink(missing_ok=True)
            self._sync_folder()

    def _sync_folder(self) -> None:
        descriptor = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Translate an OSError in the block to Unavailable."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error


def _lines(messages: Sequence[NewMessage]) -> Iterator[bytes]:
    for message in messages:
        fields = {"entry": {name: _to_json(value) for name, value in message._asdict().items()}}
        row = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
        yield b"%d %08x %s\n" % (len(row), crc32(row), row)


def _row(line: bytes) -> NewMessage | None:
    """Return the message of a line, None if the line is damaged."""
    length, _, rest = line.partition(b" ")
    checksum, _, row = rest.partition(b" ")
    if length != b"%d" % len(row) or checksum != b"%08x" % crc32(row):
        return None
    try:
        fields = json.loads(row)
        return NewMessage(**_from_json(fields["entry"]))
    except (AttributeError, KeyError, TypeError, ValueError):
        # Another version of the program, with other fields, wrote the line.
        return None


def _to_json(value: object) -> object:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, tuple):
        return [_to_json(element) for element in value]
    return value


def _from_json(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _ENUMS.get(name, _value)(value) for name, value in fields.items()}


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"])
    if isinstance(value, list):
        return tuple(map(_value, value))
    return value
