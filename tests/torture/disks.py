"""A disk of a few megabytes that a test fills, stops, breaks and cuts off, as root."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

#: EXT4_IOC_SHUTDOWN of linux/ext4.h, and the flag that drops what the journal has not on disk.
_SHUTDOWN, _WITHOUT_JOURNAL = 0x8004587D, struct.pack("I", 2)


class Disk:
    """A file system (ext4) in a file."""

    def __init__(self, folder: Path, mib: int) -> None:
        self.path = folder / "disk"
        self._image = folder / "image"
        self._filler = self.path / "filler"
        with self._image.open("wb") as image:
            image.truncate(mib << 20)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
        self.path.mkdir()

    @classmethod
    @contextmanager
    def mounted(cls, folder: Path, mib: int = 48) -> Iterator[Self]:
        """Make a disk in a folder, and mount it while the context is open."""
        disk = cls(folder, mib)
        disk.mount()
        try:
            yield disk
        finally:
            # Programs that have files open there may still be ending.
            _run("umount", "--lazy", str(disk.path))

    def mount(self) -> None:
        """Mount it; an error makes it read-only."""
        _run("mount", "-o", "loop,errors=remount-ro", str(self._image), str(self.path))

    def fill(self) -> None:
        """Take all space, down to the last byte."""
        with self._filler.open("wb", buffering=0) as filler:
            size = 1 << 20
            while size:
                try:
                    filler.write(b"\0" * size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2
            os.fsync(filler)

    def free(self) -> None:
        """Give the space back."""
        self._filler.unlink()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let every write wait while the context is open, as a disk that hangs does."""
        _run("fsfreeze", "--freeze", str(self.path))
        try:
            yield
        finally:
            _run("fsfreeze", "--unfreeze", str(self.path))

    def fail(self) -> None:
        """Report an error of the disk to the file system, which becomes read-only."""
        device = _run("findmnt", "-no", "SOURCE", str(self.path)).strip()
        Path("/sys/fs/ext4", Path(device).name, "trigger_fs_error").write_text("torture")

    def cut_power(self) -> None:
        """Drop everything that no fsync() has brought to the disk, and fail from now on."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, _WITHOUT_JOURNAL)
        finally:
            os.close(folder)

    def repair(self) -> None:
        """Mount it anew as after a boot. No program may have files open there."""
        _run("umount", str(self.path))
        # 1: errors were corrected.
        subprocess.run(["e2fsck", "-p", "-f", self._image], check=False, capture_output=True)
        self.mount()


def _run(*command: str) -> str:
    """Run a command of an administrator to its end and return its output."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    process = subprocess.run(
        command, check=False, capture_output=True, text=True, env=environment, timeout=60
    )
    assert process.returncode == 0, f"{command}: {process.stderr}"
    return process.stdout
