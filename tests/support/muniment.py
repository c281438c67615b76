"""Our own command in a process of its own, with a configuration of its own."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from support.ejabberd import Ejabberd
from support.ports import LOOPBACK, free_port
from support.program import Program
from support.prosody import Prosody

Options = Mapping[str, Mapping[str, Any]]

DATABASE = "muniment.db"

#: The longest take-over on a loaded machine.
TAKE_OVER_SECONDS = 60.0

#: Accounts are in Muniment's database.
ACCOUNTS: Options = {"accounts": {"source": "store"}}


class Muniment(Program):
    """Muniment beside an ejabberd."""

    def __init__(
        self,
        folder: Path,
        ejabberd: Ejabberd | Prosody,
        *,
        http_port: int = 0,
        secret: str | None = None,
        options: Options | None = None,
    ) -> None:
        """`options` are further ones, by section; they go before those that are made here."""
        super().__init__("muniment", folder / "muniment.log")
        self.folder = folder
        self.hosts = ejabberd.hosts
        self.http_port = free_port(http_port)
        self.secret = secret or secrets.token_hex(16)
        self.config_path = folder / "muniment.toml"
        self._options = _merged(
            {
                "xmpp": {
                    "jid": ejabberd.component,
                    "hosts": list(ejabberd.hosts),
                    "address": LOOPBACK,
                    "port": ejabberd.ports.component,
                    "secret": ejabberd.secret,
                },
                "storage": {"url": f"sqlite:{DATABASE}"},
                "http": {"port": self.http_port, "secret": self.secret},
            },
            options or {},
        )

    @property
    def url(self) -> str:
        """The URL of its HTTP server."""
        return f"http://{LOOPBACK}:{self.http_port}"

    def start(self) -> None:
        """Start Muniment, and return when every part is ready. Raises Failed."""
        self.begin()
        self.wait_until(self.is_ready, "is ready")

    def begin(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """Start with further arguments of `serve`, without waiting for anything."""
        self.write_config()
        self.launch_muniment(
            "serve", "--config", str(self.config_path), *arguments, environment=environment
        )

    def take_over(self) -> None:
        """Have a new process take over from the present one. Raises Failed."""
        old, self._process = self._running(), None
        self.begin("--take-over")
        code = old.wait(TAKE_OVER_SECONDS)
        if code != 0:
            raise self.failed(f"ended with {code} when another process took over")
        self.wait_until(self.is_ready, "is ready", TAKE_OVER_SECONDS)

    def stored_bytes(self) -> bytes:
        """Return all bytes of the files of an embedded store."""
        files = self.folder.glob(f"{DATABASE}*")
        return b"".join(path.read_bytes() for path in files if path.is_file())

    def set_option(self, section: str, key: str, value: object) -> None:
        """Change an option for the next start."""
        self._options = _merged(self._options, {section: {key: value}})

    def write_config(self) -> None:
        """Write the configuration, as every start does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config_path.touch(mode=0o600)
        self.config_path.write_text(_toml(self._options))

    def is_ready(self) -> bool:
        """Return whether Muniment reports that every part can do its work."""
        connection = HTTPConnection(LOOPBACK, self.http_port, timeout=15)
        try:
            self._connect(connection)
            connection.request("GET", "/health/ready")
            answer = connection.getresponse()
            body = json.loads(answer.read())
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
        return answer.status == 200 and isinstance(body, dict)

    def _connect(self, connection: HTTPConnection) -> None:
        path = str(self._options["http"].get("address", "")).partition("unix:")[2]
        if path:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(15)
            connection.sock.connect(path)

    def configure(self, section: str, **options: object) -> None:
        """Set options of a section, for the next start."""
        self._options = _merged(self._options, {section: options})

    def restart(self) -> None:
        """Stop Muniment as an administrator would, and start it again with the same store."""
        code = self.stop()
        if code != 0:
            raise self.failed(f"ended with {code}")
        self.start()


def _merged(options: Options, more: Options) -> dict[str, dict[str, Any]]:
    sections = [*options, *(section for section in more if section not in options)]
    return {name: {**options.get(name, {}), **more.get(name, {})} for name in sections}


def _toml(options: Options) -> str:
    # JSON's strings, numbers, booleans and lists are TOML's too.
    return "\n".join(
        f"[{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
        for section, keys in options.items()
    )
