"""Prosody with mod_mam on SQLite, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

from support.ports import answers, free_port
from support.program import Program

from benchmarks.servers.ejabberd import HOST

#: Nagle's algorithm is off: with it every page waits some 45 ms for an acknowledgement.
#: The limit of an archive is Prosody's 10,000 messages by default.
_CONFIG = """\
run_as_root = true
daemonize = false
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/prosody"
log = {{ warn = "{folder}/prosody.log" }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
network_settings = {{ nagle = false }}
modules_enabled = {{
    "roster", "saslauth", "disco", "private", "vcard4", "vcard_legacy", "blocklist", "pep",
    "carbons", "offline", "register", "ping", "time", "version", "posix", "smacks", "mam",
}}
modules_disabled = {{ "s2s", "tls" }}
allow_registration = true
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
limits = {{}}
storage = {{ archive = "sql" }}
sql = {{ driver = "SQLite3", database = "{folder}/prosody.sqlite" }}
storage_archive_item_limit = 10000000
archive_expires_after = "never"
default_archive_policy = true
max_archive_query_results = 250
VirtualHost "{host}"
Component "conference.{host}" "muc"
    modules_enabled = {{ "muc_mam" }}
    muc_room_locking = false
"""


class Prosody(Program):
    """A server for one virtual host."""

    def __init__(self, folder: Path) -> None:
        super().__init__("prosody", folder / "prosody.out")
        self.port = free_port()
        self._folder = folder

    def start(self) -> None:
        """Start, and return when the server accepts clients."""
        (self._folder / "prosody").mkdir(exist_ok=True)
        config = self._folder / "prosody.cfg.lua"
        config.write_text(_CONFIG.format(folder=self._folder, port=self.port, host=HOST))
        self.launch(["prosody", "--config", str(config), "-F"], cwd=self._folder)
        self.wait_until(lambda: answers(self.port), "takes clients")
