"""Folders for servers, below one folder that is removed at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Workspace:
    """Creates folders."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def fresh(self, name: str) -> Iterator[Path]:
        """Create an empty folder, and remove it with its content after the block."""
        folder = self._make(Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._root)))
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def kept(self, name: str) -> Path:
        """Return a folder that stays until the end of the run."""
        folder = self._root / name
        folder.mkdir(exist_ok=True)
        return self._make(folder)

    def _make(self, folder: Path) -> Path:
        # PostgreSQL, which may be another user, has to get to its own folder in there.
        folder.chmod(0o711)
        return folder


@contextmanager
def workspace(parent: Path | None = None) -> Iterator[Workspace]:
    """Yield a workspace for the folders of a run."""
    root = Path(tempfile.mkdtemp(prefix="muniment-bench-", dir=parent))
    root.chmod(0o711)
    try:
        yield Workspace(root)
    finally:
        shutil.rmtree(root)
