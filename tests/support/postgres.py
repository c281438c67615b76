"""PostgreSQL of the system in a folder of its own, without passwords on loopback."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from support.ports import LOOPBACK, free_port
from support.process_tree import signal_tree
from support.program import Failed, Program

USER = "muniment"

#: A crash of a test loses its data, and nothing else. Each test has other data, so statistics from
#: the data of one test would be wrong for the next.
FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "track_counts": "off",
}


class Postgres(Program):
    """A server; its first start makes its data."""

    def __init__(
        self, folder: Path, settings: Mapping[str, str] | None = None, *, user: str = USER
    ) -> None:
        """`settings` are options of the server. Its user has to be able to enter `folder`."""
        super().__init__("postgres", folder / "postgres.log")
        self.port = free_port()
        self._folder = folder
        self.data = folder / "postgres"
        self._settings = settings or {}
        self._user = user

    def start(self) -> None:
        """Start, and return when the server takes writes."""
        is_new = not self.data.exists()
        if is_new:
            self._make()
        options = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            **self._settings,
        }
        command = [*as_user(), program("postgres"), "-D", str(self.data)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self.launch(command, cwd=self._folder)
        self.wait_until(self._takes_writes, "takes writes")
        if is_new:
            self.prepare()

    def stop(self) -> int:
        """Let the server end its sessions, and stop it."""
        # SIGTERM would let it wait for the sessions.
        self._signal(signal.SIGINT)
        return super().wait() if self.is_running else 0

    def abandon(self) -> None:
        """Stop the server at once, and its children too; its data is of no use any more."""
        self._signal(signal.SIGQUIT)
        if self.is_running:
            self.wait()

    def pause(self) -> None:
        """Freeze the server with all its sessions: connections stay open, and nobody answers."""
        super().pause()
        signal_tree(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Continue the server after `pause`."""
        if self.is_running:
            signal_tree(self.pid, signal.SIGCONT)

    def prepare(self) -> None:
        """Make what a new server needs."""

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://{self._user}@{LOOPBACK}:{self.port}/{database}?sslmode=disable"

    def create(self, database: str, template: str = "template1") -> str:
        """Create a database and return its URL."""
        self.sql(f"CREATE DATABASE {database} TEMPLATE {template}".encode(), database="postgres")
        return self.url(database)

    def sql(self, text: bytes, *, database: str) -> bytes:
        """Run a script, which may contain the data of a COPY, and return its output."""
        server = ["-h", LOOPBACK, "-p", str(self.port), "-U", self._user, "-d", database]
        command = [program("psql"), *server, "-XqAt", "-v", "ON_ERROR_STOP=1"]
        return run(command, self._folder, input=text)

    def _make(self) -> None:
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(self.data, *account())
        # Another collation than that of the store, as an operator may have.
        command = [program("initdb"), "-A", "trust", "-U", self._user, "-E", "UTF8"]
        command += ["--locale=C.UTF-8", "--no-sync", str(self.data)]
        run([*as_user(), *command], self._folder)

    def _takes_writes(self) -> bool:
        try:
            # A restored server replays its log first; until then it takes no writes.
            state = self.sql(b"SELECT pg_is_in_recovery()", database="postgres")
        except Failed:
            return False
        return state.strip() == b"f"


def run(command: Sequence[str], folder: Path, *, input: bytes = b"") -> bytes:
    """Run a program to its end and return its output. Raises Failed."""
    process = subprocess.run(command, cwd=folder, input=input, capture_output=True, check=False)
    if process.returncode:
        raise Failed(f"{command}: {process.stderr.decode(errors='replace')[-400:]}")
    return process.stdout


def as_user() -> list[str]:
    """Return the arguments that switch to another user, because PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return []
    user, group = account()
    return ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]


def account() -> tuple[int, int]:
    account = pwd.getpwnam("postgres")
    return account.pw_uid, account.pw_gid


def program(name: str) -> str:
    """Return the path of a program of PostgreSQL. Raises Failed if it is not installed."""
    # Debian keeps all but the clients off the PATH.
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    program = str(places[-1]) if places else shutil.which(name)
    if program is None:
        raise Failed(f"{name} of PostgreSQL is not installed")
    return program
