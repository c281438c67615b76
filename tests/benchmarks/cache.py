"""Load files into the system's page cache, remove them from it, and measure them in it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_CHUNK = 1024 * 1024


def load(folder: Path) -> None:
    """Load all files below a folder into memory."""
    for path in _files(folder):
        with path.open("rb", buffering=0) as file:
            while file.read(_CHUNK):
                pass


def evict(folder: Path) -> None:
    """Remove the files from memory, except pages that a process has mapped."""
    for path in _files(folder):
        file = os.open(path, os.O_RDONLY)
        try:
            # What is not on the disk yet cannot be left out of memory.
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)


def resident_bytes(folder: Path) -> int:
    """Return the number of bytes of the files that are in the page cache."""
    files = [str(path) for path in _files(folder)]
    fincore = subprocess.run(
        ["fincore", "--bytes", "--noheadings", "--output", "RES", *files],
        capture_output=True,
        check=True,
    )
    return sum(map(int, fincore.stdout.split()))


def _files(folder: Path) -> Iterator[Path]:
    return (p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
