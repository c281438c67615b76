"""The lock that keeps other processes from using a database file, whatever path they use."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

from storage.errors import Locked, Unavailable

#: Files that this process has locked, by device and inode. This process never opens a second
#: descriptor of such a file: closing it would drop SQLite's locks (fcntl(2), record locks).
_held: set[tuple[int, int]] = set()


class FileLock:
    """A flock(2) on the file itself, so that it holds for every path to the file.

    SQLite uses record locks; the two kinds of locks do not affect each other.
    """

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._file = _identity(os.fstat(descriptor))
        _held.add(self._file)

    @classmethod
    def take(cls, path: str) -> Self:
        """Lock a file; create the file if it does not exist. Raises Locked, Unavailable."""
        try:
            if Path(path).exists() and _identity(Path(path).stat()) in _held:
                raise Locked(f"{path} is used by this process")
            # Only this user may read messages. SQLite gives its other files the mode of this one.
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
            # SQLite finds the journal, which has the newest messages, by the name of the file.
            raise Unavailable(f"{path} has other names (hard links): remove them, keep this one")
        return lock

    def check(self) -> None:
        """Raise Unavailable if the path no longer leads to the locked file."""
        try:
            # Before each transaction: a Path would take longer than the call.
            is_same = _identity(os.stat(self._path)) == self._file  # noqa: PTH116
        except OSError:
            is_same = False
        if not is_same:
            raise Unavailable(f"{self._path} was moved, removed or replaced while it was open")

    def release(self) -> None:
        """Unlock the file; call this after SQLite's connections to it are closed."""
        _held.discard(self._file)
        os.close(self._descriptor)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
