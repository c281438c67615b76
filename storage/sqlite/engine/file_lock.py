"""The lock that keeps every other process away from a database file, by whatever name."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

from storage.errors import Locked, Unavailable

#: Files that this process holds, by device and inode. A second descriptor of one of them is never
#: opened: closing it would drop the locks that SQLite holds here (fcntl(2), record locks).
_held: set[tuple[int, int]] = set()


class FileLock:
    """A flock(2) of the file itself, so neither a link to it nor a copy of its name gets past it.

    SQLite takes record locks, which are another kind and do not see it.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._file = _identity(os.fstat(descriptor))
        _held.add(self._file)

    @classmethod
    def take(cls, path: str) -> Self:
        """Lock a file, which is made where there is none. Raises Locked, Unavailable."""
        try:
            if Path(path).exists() and _identity(Path(path).stat()) in _held:
                raise Locked(f"{path} is used by this process")
            # Messages are nobody else's to read: made here, so that SQLite's files take its mode.
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"{path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise Locked(f"{path} is used by another process") from error
        lock = cls(path, descriptor)
        if os.fstat(descriptor).st_nlink > 1:
            lock.release()
            # SQLite keeps the newest messages in a journal that it finds by the name of the file.
            raise Unavailable(f"{path} has other names (hard links): remove them, keep this one")
        return lock

    def check(self) -> None:
        """Raise Unavailable where the file is no longer the one that the path leads to."""
        try:
            is_there = _identity(Path(self._path).stat()) == self._file
        except OSError:
            is_there = False
        if not is_there:
            raise Unavailable(f"{self._path} was moved, removed or replaced while it was open")

    def release(self) -> None:
        """Give the file free; behind the end of SQLite's own connections to it."""
        _held.discard(self._file)
        os.close(self._descriptor)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
