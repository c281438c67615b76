"""A Debian in a folder, in which tests install what we build. It needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from support.command import ROOT

#: Seconds for a step on a loaded machine; the first test also downloads Debian.
STEP_SECONDS = 900.0


class Debian:
    """A root folder, whose programs run by chroot(1) and use the network of this machine."""

    def __init__(self, folder: Path) -> None:
        """Unpack Debian into a folder that does not exist yet."""
        made = subprocess.run(
            [ROOT / "scripts" / "chroot"],
            stdout=subprocess.PIPE,
            text=True,
            timeout=STEP_SECONDS,
            check=True,
        )
        folder.mkdir()
        subprocess.run(
            ["tar", "-x", "-p", "--numeric-owner", "-f", made.stdout.strip(), "-C", folder],
            timeout=STEP_SECONDS,
            check=True,
        )
        self.folder = folder

    def command(self, *arguments: str, user: str | None = None) -> list[str]:
        """Return a command that runs in the folder, by default as root."""
        as_user = () if user is None else ("runuser", "-u", user, "--")
        return ["chroot", str(self.folder), *as_user, *arguments]

    def run(
        self,
        *arguments: str,
        user: str | None = None,
        code: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Run a command, and return its output and errors; it has to end with `code`."""
        # No variable of this machine but those that its network needs.
        process = subprocess.run(
            self.command(*arguments, user=user),
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
            | {"DEBIAN_FRONTEND": "noninteractive", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        assert process.returncode == code, process.stdout
        return process.stdout

    def path(self, place: str) -> Path:
        """Return where a file of this Debian is on this machine."""
        return self.folder / place.lstrip("/")

    def owner_and_mode(self, place: str) -> str:
        """Return `OWNER:GROUP MODE` of a file."""
        return self.run("stat", "-c", "%U:%G %a", place).strip()


def can_make() -> bool:
    """Return whether this user may unpack a Debian."""
    return os.geteuid() == 0
