"""A file beside the store for what could not be written into it, until the program starts again.

One line for each row: the length and the CRC-32 of what follows, and the row as JSON by field.
Values only: nothing of it is ever run. A row that is damaged is left out, and counted.
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

#: Fields of an entry that have a type of their own.
_ENUMS: dict[str, Callable[[Any], Any]] = {
    name: hint
    for name, hint in get_type_hints(NewMessage).items()
    if isinstance(hint, type) and issubclass(hint, StrEnum)
}

#: What is kept free for it on the disk: a disk that is full is why there is something to keep.
_RESERVE = "-reserve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spilled:
    """What a spill holds."""

    work: tuple[NewMessage, ...] = ()
    damaged: int = 0  #: how many rows cannot be read


class Spill:
    """The spill of one store."""

    def __init__(self, path: Path, *, reserve: int = 0) -> None:
        """`reserve` is how many bytes of the disk are kept free for it."""
        self.path = path
        self._reserve = path.with_name(path.name + _RESERVE)
        self._reserve_bytes = reserve
        self._writing = Lock()  # an end that takes too long keeps what is left a second time

    def reserve_space(self) -> None:
        """Take from the disk what it may need. Raises Unavailable."""
        with _translated(self._reserve):
            descriptor = os.open(self._reserve, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._reserve_bytes)
            finally:
                os.close(descriptor)

    def read(self) -> Spilled:
        """Return what it holds. Raises Unavailable, or StorageError for a file of another kind."""
        if not self.path.exists():
            return Spilled()
        with _translated(self.path):
            content = self.path.read_bytes()
        if not content.startswith(_HEADER):
            raise StorageError(f"{self.path} is no spill that this program can read: move it away")
        lines = content.removeprefix(_HEADER).splitlines()
        rows = [row for line in lines if (row := _row(line)) is not None]
        return Spilled(work=tuple(rows), damaged=len(lines) - len(rows))

    def write(self, work: Sequence[NewMessage]) -> None:
        """Let it hold these rows and nothing else, durably. Raises Unavailable."""
        new = self.path.with_name(self.path.name + "-new")
        with self._writing, _translated(self.path):
            # Its room is what this is for.
            self._reserve.unlink(missing_ok=True)
            new.unlink(missing_ok=True)
            try:
                descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(_HEADER)
                    file.writelines(_lines(work))
                    file.flush()
                    os.fsync(descriptor)
                new.replace(self.path)
                self._sync_folder()
            finally:
                new.unlink(missing_ok=True)

    def copy_damaged(self) -> None:
        """Keep it beside itself, whatever becomes of it: it is damaged. Raises Unavailable."""
        damaged = self.path.with_name(self.path.name + "-damaged")
        with _translated(damaged):
            damaged.unlink(missing_ok=True)
            # A second name, for a full disk has no room for a copy. Nothing writes into the file.
            damaged.hardlink_to(self.path)
            self._sync_folder()

    def remove(self) -> None:
        """Remove it: all that it held is in the store. Raises Unavailable."""
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
    """Raise Unavailable for an OSError."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error


def _lines(work: Sequence[NewMessage]) -> Iterator[bytes]:
    for message in work:
        fields = {"entry": {name: _to_json(value) for name, value in message._asdict().items()}}
        row = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
        yield b"%d %08x %s\n" % (len(row), crc32(row), row)


def _row(line: bytes) -> NewMessage | None:
    """Return the row of a line, None where it is damaged."""
    length, _, rest = line.partition(b" ")
    checksum, _, row = rest.partition(b" ")
    if length != b"%d" % len(row) or checksum != b"%08x" % crc32(row):
        return None
    try:
        fields = json.loads(row)
        return NewMessage(**_from_json(fields["entry"]))
    except (AttributeError, KeyError, TypeError, ValueError):
        # Another version of the program wrote it, and has other fields.
        return None


def _to_json(value: object) -> object:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, tuple):
        return [_to_json(one) for one in value]
    return value


def _from_json(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _ENUMS.get(name, _value)(value) for name, value in fields.items()}


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return bytes.fromhex(value["hex"])
    if isinstance(value, list):
        return tuple(map(_value, value))
    return value
