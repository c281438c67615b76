"""A folder in the place of the root of a machine, in which the commands of documents run.

The user of the test takes the place of root, muniment and ejabberd. Ports, paths and the names of
users are other ones; all else runs as it is written. Commands that would change the machine have
stand-ins: those that create users and environments, and manage services. The stand-in for
systemctl does with Muniment what its unit says, and nothing with ejabberd, which the test starts
and stops. The stand-in for ejabberdctl has ejabberd itself run the command, by its console.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import shlex
import subprocess
import sys
import threading
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, sleep

from support.command import ROOT
from support.command_socket import CommandSocket
from support.debian_ejabberd import DebianEjabberd
from support.ports import LOOPBACK, free_port
from support.releases import Release

#: Folders that the commands write to; a test puts them below its own root.
PLACES = re.compile(r"(?<![\w./])/(opt|etc|var|usr/local)/")

#: The port of Muniment for programs and operators in the documents.
HTTP_PORT = 5281

#: The stand-ins of commands that would change the machine; ROOT is the folder.
STAND_INS = {
    "apt-get": 'echo "apt-get $*" >>ROOT/changes',
    "useradd": 'echo "useradd $*" >>ROOT/changes',
    "python3": """
[ "$1 $2" = "-m venv" ]
mkdir -p "$3/bin"
cp ROOT/stand-ins/pip "$3/bin/pip"
cp ROOT/program "$3/bin/muniment"
""",
    "pip": 'echo "pip $*" >>ROOT/changes',
    "runuser": '[ "$1 $2 $3" = "-u muniment --" ]; shift 3; exec "$@"',
    "dpkg-query": 'printf %s "VERSION-1"',
    "ejabberdctl": """
data=$(printf '%s\n' "$@")
exec curl -sS --fail -o /dev/null --data-binary "$data" http://127.0.0.1:CONSOLE_PORT/
""",
    "systemctl": """
echo "systemctl $*" >>ROOT/changes
case "$*" in *ejabberd*) exit ;; esac
unit=ROOT/etc/systemd/system/muniment.service
# All processes of the service are in the session of the first one.
session() { pgrep --session "$(cat ROOT/session)"; }
run() { MAINPID=$(session | tail -n 1) sh -c "$(sed -n "s/^$1=//p" "$unit")"; }
case $1 in
    daemon-reload) sed -i -E 's#([ =])/(opt|etc|var)/#\\1ROOT/\\2/#g' "$unit" ;;
    start | enable | restart)
        [ "$1" != restart ] || "$0" stop muniment
        setsid $(sed -n 's/^ExecStart=//p' "$unit") >>ROOT/log 2>&1 </dev/null &
        echo $! >ROOT/session
        for _ in $(seq 600); do
            curl -sf -o /dev/null http://127.0.0.1:HTTP_PORT/health/live && exit
            sleep 0.05
        done
        exit 1 ;;
    reload) run ExecReload ;;
    kill) kill -USR2 $(session | tail -n 1) ;;
    stop)
        kill $(session) || exit 0
        while session >/dev/null; do sleep 0.05; done ;;
esac
""",
}

#: The service, and a command after `umask 077`, is a process of its own. The other commands are
#: forks of one that has loaded all modules.
PROGRAM = """\
#!/bin/sh
case "$1 $(umask)" in
    serve* | *077) PYTHONPATH={source} exec {python} -m component "$@" ;;
    *) exec {python} -ISE {forking} {socket} "$@" ;;
esac
"""

FORKING = Path(__file__).parent / "forking.py"


class Machine:
    """A folder in the place of the root of a machine with a Debian that has ejabberd."""

    def __init__(self, root: Path, release: Release) -> None:
        self.root = root
        self.http_port = free_port()
        self.component_port = free_port()
        for place in (
            "opt",
            "etc/systemd/system",
            "var/lib/ejabberd",
            "var/backups",
            "usr/local/bin",
        ):
            (root / place).mkdir(parents=True)
        self.ejabberd = DebianEjabberd(
            root / "ejabberd", release, self.place("/etc/ejabberd"), self.component_port
        )
        self._console = ThreadingHTTPServer((LOOPBACK, 0), self._answering())
        threading.Thread(target=self._console.serve_forever, daemon=True).start()
        (root / "stand-ins").mkdir()
        values = {
            "ROOT": str(root),
            "VERSION": release.version,
            "CONSOLE_PORT": str(self._console.server_address[1]),
            "HTTP_PORT": str(self.http_port),
        }
        for name, text in STAND_INS.items():
            for key, value in values.items():
                text = text.replace(key, value)
            _write_program(root / "stand-ins" / name, f"#!/bin/sh -eu\n{text}\n")
        self._commands = CommandSocket(root / "commands")
        program = {
            "source": ROOT,
            "python": sys.executable,
            "forking": FORKING,
            "socket": root / "commands",
        }
        quoted = {name: shlex.quote(str(value)) for name, value in program.items()}
        _write_program(root / "program", PROGRAM.format(**quoted))

    def shell(self, commands: str) -> str:
        """Run commands of bash, and return their output. Fail if one of them fails."""
        user = pwd.getpwuid(os.geteuid()).pw_name
        group = grp.getgrgid(os.getegid()).gr_name
        commands = PLACES.sub(rf"{self.root}/\1/", commands)
        commands = commands.replace("/usr/share/ejabberd/", f"{self.ejabberd.share}/")
        commands = re.sub(r"-o (muniment|root)\b", f"-o {user}", commands)
        commands = re.sub(r"(-g|--group) (muniment|ejabberd)\b", rf"\1 {group}", commands)
        commands = commands.replace(f"127.0.0.1:{HTTP_PORT}", f"127.0.0.1:{self.http_port}")
        environment = {name: value for name, value in os.environ.items() if "MUNIMENT" not in name}
        path = f"{self.root}/stand-ins:{self.root}/usr/local/bin:{environment['PATH']}"
        process = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=ROOT,
            env={
                **environment,
                "PATH": path,
                # The program looks for its configuration in /etc/muniment.
                "MUNIMENT_CONFIG": str(self.place("/etc/muniment/muniment.toml")),
                "MUNIMENT_XMPP__PORT": str(self.component_port),
                "MUNIMENT_HTTP__PORT": str(self.http_port),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert process.returncode == 0, f"{commands}\n{process.stdout}{process.stderr}{self.log}"
        return process.stdout

    def place(self, path: str) -> Path:
        """Return the path below the folder."""
        return self.root / path.removeprefix("/")

    @property
    def log(self) -> str:
        """The log of the service."""
        path = self.root / "log"
        return path.read_text() if path.exists() else ""

    def stop(self) -> None:
        """Stop the service, if it was started, and answer no more commands."""
        if (self.root / "session").exists():
            self.shell("systemctl stop muniment")
        self._console.shutdown()
        self._console.server_close()
        self._commands.close()

    def wait_until_ready(self) -> None:
        """Return when the service reports that it is ready."""
        end = monotonic() + 30
        while not self._is_ready():
            assert monotonic() < end, self.log
            sleep(0.05)

    @property
    def processes(self) -> list[int]:
        """The processes of the service: two while one takes over from another."""
        session = (self.root / "session").read_text().strip()
        found = subprocess.run(
            ["pgrep", "--session", session], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in found.stdout.split()]

    def wait_until_reloaded(self, option: str) -> None:
        """Return when the log says that a changed option takes effect."""
        end = monotonic() + 60
        while f"reloaded {option}: it takes effect now" not in self.log:
            assert monotonic() < end, self.log
            sleep(0.05)

    def wait_until_taken_over(self, processes: list[int]) -> None:
        """Return when the service has none of these processes any more, and is ready."""
        end = monotonic() + 60
        while not (now := self.processes) or set(now) & set(processes):
            assert monotonic() < end, self.log
            sleep(0.05)
        self.wait_until_ready()

    def _answering(self) -> type[BaseHTTPRequestHandler]:
        """Return what answers the stand-in for ejabberdctl: each line is an argument."""
        ejabberd = self.ejabberd

        class Console(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                lines = self.rfile.read(int(self.headers["Content-Length"])).decode().split("\n")
                arguments = ", ".join(map(json.dumps, lines))
                code = ejabberd.evaluate(f"ejabberd_ctl:process([{arguments}])")
                self.send_response(200 if code == "0" else 500)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Console

    def _is_ready(self) -> bool:
        connection = HTTPConnection(LOOPBACK, self.http_port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
