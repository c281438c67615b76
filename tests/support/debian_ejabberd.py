"""An ejabberd as Debian installs it, with the ejabberd.yml of the package."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from shutil import copyfile

from support.certificates import Authority
from support.ejabberd import Ejabberd, Ports
from support.ports import free_port
from support.releases import Release

HOST = "chat.example"
COMPONENT = f"muniment.{HOST}"

#: The ports of clients that begin with TLS, and of the pages for administrators.
TLS_PORT, PAGES_PORT = 5223, 5280

#: The lines of mod_mam, which are comments.
_MOD_MAM = re.compile(r"^  ## mod_mam:\n(?:  ##   .*\n)+", re.MULTILINE)

_PORT = re.compile(r"^    port: (\d+)$", re.MULTILINE)


class DebianEjabberd(Ejabberd):
    """An ejabberd with Debian's file, in which only ports, paths and the virtual host are others.

    The file is written once, so that an administrator may change it between two starts. Clients
    connect with `tls`.
    """

    def __init__(self, folder: Path, release: Release, etc: Path, component_port: int) -> None:
        """`etc` is the folder in the place of /etc/ejabberd."""
        self._new_ports = {
            int(port): free_port() for port in _PORT.findall(release.debian_config.read_text())
        }
        ports = Ports(self._new_ports[TLS_PORT], component_port, http=self._new_ports[PAGES_PORT])
        super().__init__(folder, release, hosts=[HOST], component=COMPONENT, ports=ports)
        self.etc = etc
        #: What is in /usr/share/ejabberd.
        self.share = release.debian_config.parents[3] / "ejabberd"
        self.config_path = etc / "ejabberd.yml"
        etc.mkdir(parents=True)
        authority = Authority(etc)
        copyfile(authority.issue(HOST), etc / "ejabberd.pem")
        self.tls = ssl.create_default_context(cafile=authority.path)
        super()._write_config()

    def enable_mod_mam(self, *, sql: bool) -> None:
        """Let ejabberd archive everything, as the comments of Debian's file propose it.

        With `sql` the archive is in SQLite, at the place that docs/moving-in.md supposes.
        """
        text = self.config_path.read_text()
        [lines] = _MOD_MAM.findall(text)
        enabled = re.sub("^  ## ", "  ", lines, flags=re.MULTILINE)
        if sql:
            enabled = enabled.replace("## db_type: sql", "db_type: sql")
        text = text.replace(lines, enabled)
        if sql:
            database = self.etc.parents[1] / "var/lib/ejabberd/ejabberd.db"
            text += f'\nsql_type: sqlite\nsql_database: "{database}"\n'
        self.config_path.write_text(text)

    def _config(self) -> str:
        text = self.release.debian_config.read_text()
        text = text.replace("- localhost", f"- {HOST}").replace('"::"', '"127.0.0.1"')
        text = text.replace("/etc/ejabberd/", f"{self.etc}/")
        return _PORT.sub(lambda match: f"    port: {self._new_ports[int(match[1])]}", text)

    def _write_config(self) -> None:
        """Leave the file as it is."""

    def _listening(self) -> tuple[int, ...]:
        return (self.ports.c2s, self.ports.http)
