"""Copies a store in SQLite into a new file, while a Muniment may write."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from storage.errors import StorageError, Unavailable

#: The number of pages of one step.
_PAGES = 1000

#: Seconds that a statement waits for the lock of another process.
_BUSY_SECONDS = 30.0

#: Called with the numbers of pages that are left, and of all pages.
Progress = Callable[[int, int], None]


def back_up(source: str, target: Path, progress: Progress = lambda *_: None) -> None:
    """Copy a file as it is at this moment; only this user can read the copy.

    The copy is complete once `target` exists. Raises StorageError if `target` exists already, and
    Unavailable.
    """
    partial = target.with_name(f"{target.name}.partial")
    if target.exists():
        raise StorageError(f"{target} exists already: name a new file")
    if not Path(source).is_file():
        raise StorageError(f"{source}: there is no such file")
    try:
        # Of an earlier copy that was interrupted.
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        _copy(source, partial, progress)
        _sync(partial)
        # A rename would replace a file that another process has made meanwhile.
        os.link(partial, target)
        _sync(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise Unavailable(f"{target}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _copy(source: str, target: Path, progress: Progress) -> None:
    uri = f"{Path(source).absolute().as_uri()}?mode=ro"
    old = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
    new = sqlite3.connect(target, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        # One read transaction: otherwise the copy would begin anew after each write of others.
        old.execute("BEGIN")
        old.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        old.backup(
            new,
            pages=_PAGES,
            progress=lambda _, remaining, total: progress(remaining, total),
            sleep=0,
        )
        # One file, without a journal beside it.
        new.execute("PRAGMA journal_mode = DELETE")
    finally:
        new.close()
        old.close()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
