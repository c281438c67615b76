"""MariaDB of the system in a folder of its own, on loopback."""

from __future__ import annotations

import getpass
import shutil
from pathlib import Path

from support.ports import LOOPBACK, free_port
from support.postgres import run
from support.program import Failed, Program

USER = PASSWORD = "muniment"

#: Durability is of no use for a test; a small server starts sooner.
_OPTIONS = {
    "bind-address": LOOPBACK,
    "innodb-flush-method": "nosync",
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-log-file-size": "8M",
    "innodb-buffer-pool-size": "16M",
    "performance-schema": "OFF",
}


class MariaDb(Program):
    """A server; its first start makes its data."""

    def __init__(self, folder: Path) -> None:
        super().__init__("mariadb", folder / "mariadb.log")
        self.port = free_port()
        self._folder = folder
        self._data = folder / "mariadb"

    def start(self) -> None:
        """Start, and return when the server answers. Raises Failed."""
        options = {
            **_OPTIONS,
            "datadir": str(self._data),
            "user": getpass.getuser(),
            "port": str(self.port),
            "socket": str(self._folder / "mariadb.sock"),
            "pid-file": str(self._folder / "mariadb.pid"),
        }
        arguments = ["--no-defaults", *(f"--{name}={value}" for name, value in options.items())]
        if not self._data.exists():
            make = [_program("mariadb-install-db"), *arguments[:1], f"--datadir={self._data}"]
            make += [f"--user={getpass.getuser()}", "--auth-root-authentication-method=normal"]
            run([*make, "--skip-test-db"], self._folder)
        self.launch([_program("mariadbd"), *arguments], cwd=self._folder)
        self.wait_until(self._answers, "answers")

    def create(self, database: str) -> str:
        """Create a database for USER with PASSWORD, and return its URL."""
        self.sql(
            f"CREATE DATABASE {database} CHARACTER SET utf8mb4;"
            f"GRANT ALL ON {database}.* TO {USER}@localhost IDENTIFIED BY '{PASSWORD}'".encode()
        )
        return f"mysql://{USER}@{LOOPBACK}:{self.port}/{database}"

    def sql(self, text: bytes, *, database: str = "mysql") -> bytes:
        """Run a script, and return its output."""
        server = [f"--host={LOOPBACK}", f"--port={self.port}", "--user=root"]
        command = [_program("mariadb"), "--no-defaults", *server, "--batch", database]
        return run(command, self._folder, input=text)

    def _answers(self) -> bool:
        try:
            self.sql(b"SELECT 1")
        except Failed:
            return False
        return True


def _program(name: str) -> str:
    """Return the path of a program of MariaDB. Raises Failed if it is not installed."""
    # Debian keeps the server where only administrators look.
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        raise Failed(f"{name} of MariaDB is not installed")
    return found
