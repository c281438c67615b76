"""A progress bar on standard error, if that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """A progress bar, or nothing where nobody sees it."""

    def __init__(self, progress: Progress | None = None, task: TaskID | None = None) -> None:
        self._progress = progress
        self._task = task

    def advance(self, count: int) -> None:
        """Move on by a number of units."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, count)

    def set_total(self, total: int | None) -> None:
        """Set the end, which was not known before; None: it is not known."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, total=total)

    def set(self, done: int, total: int) -> None:
        """Move to a place; the end may be another than before."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)


@contextmanager
def progress_bar(title: str, total: int | None, *, in_bytes: bool = False) -> Iterator[Bar]:
    """Show a bar while the context is open; without a terminal it shows nothing.

    `total` is None if the end is not known.
    """
    if not sys.stderr.isatty():
        yield Bar()
        return
    # Imported here, because other commands do not need it.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn() if in_bytes else MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bar(progress, progress.add_task(title, total=total))
