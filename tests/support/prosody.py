"""Prosody of the system with archives of users and rooms, in a folder of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.ejabberd import Account, Ports
from support.ports import LOOPBACK, answers, free_port
from support.postgres import run
from support.program import Failed, Program

CONFIG = """\
run_as_root = true
daemonize = false
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
log = {{ info = "{folder}/prosody.log" }}
interfaces = {{ "{address}" }}
c2s_ports = {{ {port} }}
modules_enabled = {{
    "roster", "saslauth", "disco", "carbons", "offline", "ping", "posix", "mam",
}}
modules_disabled = {{ "s2s", "tls" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
{storage}
archive_expires_after = "never"
default_archive_policy = true
VirtualHost "{host}"
Component "conference.{host}" "muc"
    modules_enabled = {{ "muc_mam" }}
    muc_room_locking = false
"""

#: Keeps all in files.
IN_FILES = 'storage = "internal"'

#: Keeps the archives in SQLite.
IN_SQL = """\
storage = {{ archive = "sql"; muc_log = "sql" }}
sql = {{ driver = "SQLite3", database = "{folder}/prosody.sqlite" }}
"""


#: Has the migrator write files of XEP-0227 into a folder.
MIGRATION = """\
local users = {{ "accounts", "archive-archive" }}
input {{ type = "internal", path = "{data}", hosts = {{ ["{host}"] = users }} }}
output {{ type = "xep0227" }}
"""


class Prosody(Program):
    """A server for one virtual host and its rooms."""

    def __init__(self, folder: Path, *, in_sql: bool, host: str = "one.test") -> None:
        super().__init__("prosody", folder / "prosody.out")
        self.hosts = (host,)
        #: For a Muniment that does not connect to it.
        self.component, self.secret = "archive.test", "unused"
        port = free_port()
        self.ports = Ports(port, free_port(), 0)
        self.folder = folder
        self.data = folder / "data"
        self.database = folder / "prosody.sqlite"
        storage = IN_SQL.format(folder=folder) if in_sql else IN_FILES
        self._config = CONFIG.format(
            folder=folder, address=LOOPBACK, port=port, host=host, storage=storage
        )

    def start(self) -> None:
        """Start, and return when the server accepts clients. Raises Failed."""
        if shutil.which("prosody") is None:
            raise Failed("prosody is not installed")
        self.data.mkdir(parents=True, exist_ok=True)
        config = self.folder / "prosody.cfg.lua"
        config.write_text(self._config)
        self.launch(["prosody", "--config", str(config), "-F"], cwd=self.folder)
        self.wait_until(lambda: answers(self.ports.c2s), "takes clients")

    def register(self, *accounts: Account) -> None:
        """Create accounts."""
        for account in accounts:
            folder = self.data / account.host.replace(".", "%2e") / "accounts"
            folder.mkdir(parents=True, exist_ok=True)
            text = f'return {{ ["password"] = "{account.password}"; }};\n'
            (folder / f"{account.user}.dat").write_text(text)

    def export(self, folder: Path) -> list[Path]:
        """Write a file of XEP-0227 for each user, out of the storage in files. Raises Failed."""
        [host] = self.hosts
        program = shutil.which("prosody-migrator")
        if program is None:
            raise Failed("prosody-migrator is not installed")
        folder.mkdir()
        migration = self.folder / "migration.cfg.lua"
        migration.write_text(MIGRATION.format(data=self.data, host=host))
        # It writes to a folder of the system, which it has as a constant.
        migrator = self.folder / "prosody-migrator"
        text, system = Path(program).read_text(), "CFG_DATADIR='/var/lib/prosody'"
        if system not in text:
            raise Failed("prosody-migrator is not as Debian has it")
        migrator.write_text(text.replace(system, f"CFG_DATADIR='{folder}'"))
        migrator.chmod(0o755)
        options = ["--root", "--config", str(migration)]
        run([str(migrator), *options, "input", "output"], self.folder)
        return sorted(folder.glob("*.xml"))
