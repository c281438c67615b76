"""pgBackRest for a PostgreSQL of the tests, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from support.postgres import USER, Postgres, account, as_user, run
from support.program import Failed

STANZA = "muniment"

_CONFIG = """\
[global]
repo1-path={folder}/repository
repo1-retention-full=2
start-fast=y
compress-level=0
log-path={folder}
lock-path={folder}

[{stanza}]
pg1-path={data}
pg1-port={port}
pg1-socket-path={folder}
pg1-user={user}
pg1-database=postgres
"""


class BackedUpPostgres(Postgres):
    """A server whose write-ahead log goes into a repository of pgBackRest."""

    def __init__(self, folder: Path) -> None:
        """Raises Failed if pgBackRest is not installed."""
        if shutil.which("pgbackrest") is None:
            raise Failed("pgbackrest is not installed")
        self._repository = folder / "pgbackrest"
        self._repository.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self._repository, *account())
        self._config = self._repository / "pgbackrest.conf"
        push = f"pgbackrest --config={self._config} --stanza={STANZA} archive-push %p"
        super().__init__(
            folder,
            {
                "archive_mode": "on",
                "archive_command": push,
                "fsync": "off",
                # pgBackRest takes no other connection.
                "unix_socket_directories": str(self._repository),
            },
        )
        self._config.write_text(
            _CONFIG.format(
                folder=self._repository,
                stanza=STANZA,
                data=self.data,
                port=self.port,
                user=USER,
            )
        )

    def prepare(self) -> None:
        """Create the stanza of the new server."""
        self._pgbackrest("stanza-create")

    def back_up(self) -> None:
        """Make a full backup, while the server runs."""
        self._pgbackrest("--type=full", "backup")
        # It compares moments by whole seconds: one in the second of the backup is before it.
        time.sleep(1)

    def restored(self, folder: Path, moment: str) -> Postgres:
        """Restore the state of a moment into another folder, and return a server for it."""
        # The log reaches the repository when a segment ends, or after archive_timeout.
        self.sql(b"SELECT pg_switch_wal()", database="postgres")
        self.wait_until(self._is_archived, "has archived its log")
        server = Postgres(folder, {"archive_mode": "off"})
        server.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(server.data, *account())
        self._pgbackrest(
            f"--pg1-path={server.data}",
            "--type=time",
            f"--target={moment}",
            "--target-action=promote",
            "restore",
        )
        return server

    def _is_archived(self) -> bool:
        text = self.sql(
            b"SELECT last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1)"
            b" FROM pg_stat_archiver",
            database="postgres",
        )
        return text.strip() == b"t"

    def _pgbackrest(self, *arguments: str) -> None:
        options = [f"--config={self._config}", f"--stanza={STANZA}"]
        run([*as_user(), "pgbackrest", *options, *arguments], self._repository)
