"""A Debian in a folder, in which tests install what we build. It needs root."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from support.command import ROOT
from support.program import Program

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


#: Mounts what systemd needs, and becomes it, in namespaces of its own.
BOOT = """
set -e
mount --make-rprivate /
mount --bind "$0" "$0"
mount -t proc proc "$0/proc"
mount -t sysfs sysfs "$0/sys"
mount -t cgroup2 cgroup2 "$0/sys/fs/cgroup"
mount -t tmpfs tmpfs "$0/run"
ip link set lo up
exec chroot "$0" env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd
"""

NAMESPACES = ("--pid", "--mount", "--net", "--uts", "--ipc", "--cgroup")


class Booted(Program):
    """A Debian whose systemd runs, with a network of its own, until the end of the context."""

    def __init__(self, debian: Debian, log: Path) -> None:
        super().__init__("systemd", log)
        self._folder = debian.folder
        self._enter: tuple[str, ...] = ()

    def start(self) -> None:
        """Boot, and return when all units have started. Raises Failed."""
        self.launch(
            # If the first process ends, so does systemd, and with it all others.
            [
                "unshare",
                "--fork",
                "--kill-child",
                *NAMESPACES,
                "sh",
                "-c",
                BOOT,
                str(self._folder),
            ],
            cwd=self._folder.parent,
        )
        self.wait_until(self._has_booted, "has booted")

    def stop(self) -> int:
        """End all processes at once."""
        self.kill()
        return 0

    def call(self, *arguments: str) -> str:
        """Run a command in the system, and return its output and errors."""
        process = subprocess.run(
            [*self._enter, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        return process.stdout

    def property(self, unit: str, name: str) -> str:
        """Return a property of a unit, systemctl(1)."""
        return self.call("systemctl", "show", unit, "--property", name, "--value").strip()

    def _has_booted(self) -> bool:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        if not children or Path(f"/proc/{children[0]}/comm").read_text() != "systemd\n":
            return False
        self._enter = ("nsenter", "--target", children[0], *NAMESPACES, "--root", "--wd")
        return self.call("systemctl", "is-system-running").strip() in ("running", "degraded")


def can_boot() -> bool:
    """Return whether this user may make the namespaces, and mount what systemd needs."""
    mount = 'mount -t proc proc /proc && mount -t cgroup2 cgroup2 "$0" && ip link show lo'
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(
            ["unshare", "--fork", *NAMESPACES, "sh", "-c", mount, folder],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=STEP_SECONDS,
            check=False,
        )
    return tried.returncode == 0


def can_make() -> bool:
    """Return whether this user may unpack a Debian."""
    return os.geteuid() == 0
