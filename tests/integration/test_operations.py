"""The commands of docs/operations.md install, check, count, back up, restore and upgrade.

They run below a folder in place of the root folder, and the user of the test takes the place of
root and muniment. Commands that would change the machine have stand-ins: those that create users
and environments and manage services. The stand-in for systemctl runs the command of the unit.
"""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import re
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic, sleep

import pytest
from slixmpp import JID
from support.ejabberd import Account, Ejabberd
from support.ports import LOOPBACK, free_port
from support.releases import Release
from support.shell_blocks import OPERATIONS, ROOT, shell_blocks
from support.slixmpp_client import slixmpp_client

#: The names of the examples.
HOSTS, COMPONENT = ("chat.example", "team.example"), "muniment.example"
ALICE, BOB = (Account(name, HOSTS[0], "pencil") for name in ("alice", "bob"))

#: Folders that the commands write to; a test puts them below its own root.
PLACES = re.compile(r"(?<![\w./])/(opt|etc|var|usr/local)/")

#: The stand-ins of commands that would change the machine; ROOT is the folder.
STAND_INS = {
    "useradd": 'echo "useradd $*" >>ROOT/changes',
    "python3": """
[ "$1 $2" = "-m venv" ]
mkdir -p "$3/bin"
cp ROOT/stand-ins/pip "$3/bin/pip"
cp ROOT/program "$3/bin/muniment"
""",
    "pip": 'echo "pip $*" >>ROOT/changes',
    "runuser": '[ "$1 $2 $3" = "-u muniment --" ]; shift 3; exec "$@"',
    "editor": 'cat ROOT/edited >"$1"',
    "systemctl": """
echo "systemctl $*" >>ROOT/changes
case "$*" in *ejabberd*) exit ;; esac
unit=ROOT/etc/systemd/system/muniment.service
case $1 in
    daemon-reload) sed -i -E 's#([ =])/(opt|etc|var)/#\\1ROOT/\\2/#g' "$unit" ;;
    start | enable)
        setsid $(sed -n 's/^ExecStart=//p' "$unit") >>ROOT/log 2>&1 </dev/null &
        echo $! >ROOT/pid ;;
    stop) kill "$(cat ROOT/pid)"; tail --pid="$(cat ROOT/pid)" -f /dev/null ;;
esac
""",
}

PROGRAM = """\
#!/bin/sh
PYTHONPATH={source} exec {python} -m component "$@"
"""


class Machine:
    """A folder in the place of the root of a machine."""

    def __init__(self, root: Path, ejabberd: Ejabberd) -> None:
        self.root = root
        self.ejabberd = ejabberd
        self.http_port = free_port()
        for place in ("opt", "etc/systemd/system", "var/lib", "var/backups", "usr/local/bin"):
            (root / place).mkdir(parents=True)
        (root / "stand-ins").mkdir()
        for name, text in STAND_INS.items():
            self._program(
                root / "stand-ins" / name, f"#!/bin/sh -eu\n{text.replace('ROOT', str(root))}\n"
            )
        values = {"source": shlex.quote(str(ROOT)), "python": shlex.quote(sys.executable)}
        self._program(root / "program", PROGRAM.format(**values))
        (root / "edited").write_text(self._edited())

    def shell(self, commands: str) -> str:
        """Run commands of bash, and return their output. Fail if one of them fails."""
        user = pwd.getpwuid(os.geteuid()).pw_name
        group = grp.getgrgid(os.getegid()).gr_name
        commands = PLACES.sub(rf"{self.root}/\1/", commands)
        commands = re.sub(r"-o (muniment|root)\b", f"-o {user}", commands)
        commands = re.sub(r"-g muniment\b", f"-g {group}", commands)
        environment = {name: value for name, value in os.environ.items() if "MUNIMENT" not in name}
        path = f"{self.root}/stand-ins:{self.root}/usr/local/bin:{environment['PATH']}"
        process = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=ROOT,
            # The program looks for its configuration in /etc/muniment.
            env={
                **environment,
                "PATH": path,
                "MUNIMENT_CONFIG": str(self.place("/etc/muniment/muniment.toml")),
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

    def wait_until_ready(self) -> None:
        """Return when the service reports that it is ready."""
        end = monotonic() + 30
        while not self._is_ready():
            assert monotonic() < end, self.log
            sleep(0.05)

    def _is_ready(self) -> bool:
        connection = HTTPConnection(LOOPBACK, self.http_port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _edited(self) -> str:
        """Return the edited example, with the ports of this test."""
        text = PLACES.sub(rf"{self.root}/\1/", (ROOT / "muniment.toml.example").read_text())
        for option, value in (
            ("url", None),
            ("port = 5275", f"port = {self.ejabberd.ports.component}"),
            ("port = 5281", f"port = {self.http_port}"),
        ):
            text = re.sub(rf"^#({option}\b.*)$", value or r"\1", text, flags=re.MULTILINE)
        return text

    def _program(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Machine]:
    """A machine with Muniment installed as documented and running."""
    root = tmp_path_factory.mktemp("root")
    ejabberd = Ejabberd(root / "ejabberd", release, hosts=HOSTS, component=COMPONENT)
    machine = Machine(root, ejabberd)
    install, start = shell_blocks(OPERATIONS, "Install")
    machine.shell(install)
    ejabberd.secret = machine.place("/etc/muniment/xmpp-secret").read_text().strip()
    with ejabberd:
        ejabberd.register(ALICE, BOB)
        try:
            machine.shell(start)
            machine.wait_until_ready()
            yield machine
        finally:
            machine.shell("systemctl stop muniment")


async def say(machine: Machine, text: str) -> None:
    """Have alice send a message to bob, and return after it is archived."""
    port = machine.ejabberd.ports.c2s
    async with (
        slixmpp_client(ALICE, port) as alice_client,
        slixmpp_client(BOB, port) as bob_client,
    ):
        received = asyncio.Event()
        bob_client.add_event_handler("message", lambda _: received.set())
        alice_client.send_message(JID(BOB.jid), text, mtype="chat")
        await asyncio.wait_for(received.wait(), 10)
        async for _ in alice_client.plugin["xep_0313"].iterate(rsm={"max": 1}, total=1):
            pass


def count(machine: Machine) -> str:
    """Return the output of the command that counts the archive of alice, without the owner."""
    return machine.shell(f"muniment count {ALICE.jid}").partition(f"owner     {ALICE.jid}\n")[2]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def copies(machine: Machine) -> list[Path]:
    return sorted(machine.place("/var/backups/muniment").iterdir())


def test_installed_files_are_private_to_their_user(machine: Machine) -> None:
    etc, data = machine.place("/etc/muniment"), machine.place("/var/lib/muniment")

    assert {path.name: mode(path) for path in etc.iterdir()} == {
        "muniment.toml": 0o640,
        "xmpp-secret": 0o640,
        "http-secret": 0o640,
    }
    assert (mode(etc), mode(data), mode(data / "muniment.db")) == (0o750, 0o700, 0o600)
    secrets = {(etc / f"{name}-secret").read_text() for name in ("xmpp", "http")}
    assert [len(secret) for secret in secrets] == [33, 33]


async def test_commands_ask_the_running_service(machine: Machine) -> None:
    check = machine.shell("runuser -u muniment -- muniment check-config")
    await say(machine, "counted")

    assert "ok  running: Muniment answers" in check
    assert ("warn" in check, "bad" in check) == (False, False)
    [block] = shell_blocks(OPERATIONS, "Run")
    output = machine.shell(block).partition(f"owner     {ALICE.jid}\n")[2]
    assert output.startswith("messages  1\n")


async def test_restored_backup_has_the_messages_of_its_time(machine: Machine) -> None:
    backup, restore = shell_blocks(OPERATIONS, "Backup")
    await say(machine, "kept")
    before = count(machine)
    machine.shell(backup)
    machine.shell(backup)
    await say(machine, "lost")
    assert count(machine) != before

    machine.shell(restore)
    machine.wait_until_ready()

    assert count(machine) == before
    assert [mode(path) for path in copies(machine)] == [0o600, 0o600]
    assert mode(machine.place("/var/lib/muniment/muniment.db")) == 0o600


async def test_upgrade_keeps_the_archive(machine: Machine) -> None:
    [upgrade] = shell_blocks(OPERATIONS, "Upgrade")
    await say(machine, "older")
    before = count(machine)

    check = machine.shell(upgrade)
    machine.wait_until_ready()

    assert "ok  running: Muniment answers" in check
    assert count(machine) == before
