"""The commands and the program of docs/app-guide.md run word by word."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest
from support.ejabberd import Account
from support.muniment import Muniment
from support.pool import lent_ejabberd
from support.ports import LOOPBACK, free_port
from support.releases import Release
from support.shell_blocks import ROOT, blocks, shell_blocks

# The requests of the guide are those of test_events.py, which has all releases.
pytestmark = pytest.mark.newest_ejabberd

DOCUMENT = ROOT / "docs" / "app-guide.md"


class Terminal:
    """A shell in an empty folder, which keeps its variables from block to block."""

    def __init__(self, folder: Path, replacements: dict[str, str]) -> None:
        self._replacements = replacements
        self._output = folder / "output"
        self._blocks = 0
        self._file = self._output.open("wb")
        self._shell = subprocess.Popen(
            ["bash", "-euo", "pipefail"],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            stdin=subprocess.PIPE,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )

    @property
    def output(self) -> str:
        return self._output.read_text()

    def run(self, block: str) -> str:
        """Run the commands, and return what they print. Fail if one of them fails."""
        for old, new in self._replacements.items():
            block = block.replace(old, new)
        self._blocks += 1
        before, mark = len(self.output), f"block {self._blocks} has ended"
        assert self._shell.stdin
        self._shell.stdin.write(f"{block}\necho '{mark}'\n")
        self._shell.stdin.flush()
        self.wait_for(mark)
        return self.output[before:].replace(f"{mark}\n", "")

    def wait_for(self, text: str) -> None:
        """Return when something has printed the text."""
        end = monotonic() + 30
        while text not in self.output:
            assert self._shell.poll() is None, self.output
            assert monotonic() < end, self.output
            sleep(0.02)

    def close(self) -> None:
        """End the shell and what it has started."""
        os.killpg(self._shell.pid, 15)
        self._shell.communicate()
        self._file.close()


@pytest.fixture
def terminal(tmp_path: Path, release: Release) -> Iterator[Terminal]:
    (tmp_path / "muniment").mkdir()
    (tmp_path / "app" / ".run").mkdir(parents=True)
    public = free_port()
    with lent_ejabberd(tmp_path / "ejabberd", release) as ejabberd:
        host = ejabberd.hosts[0]
        for name in ("alice", "bob"):
            ejabberd.register(Account(name, host, f"secret of {name}"))
            (tmp_path / "app" / ".run" / f"{name}-password").write_text(f"secret of {name}\n")
        # The options of `make run`.
        options = {
            "tokens": {"key_file": "key.json"},
            "accounts": {"login_address": LOOPBACK, "login_port": ejabberd.ports.c2s},
            "public_http": {"enabled": True, "port": public},
        }
        with Muniment(tmp_path / "muniment", ejabberd, options=options):
            terminal = Terminal(tmp_path / "app", {"5282": str(public), "chat.example": host})
            try:
                yield terminal
            finally:
                terminal.close()


def test_program_of_the_guide_prints_what_its_commands_send(
    terminal: Terminal, tmp_path: Path
) -> None:
    [program] = blocks(DOCUMENT, "Follow", "python")
    (tmp_path / "app" / "follow.py").write_text(program)
    for heading in ("Start a server", "Sign in"):
        for block in shell_blocks(DOCUMENT, heading):
            assert terminal.run(block) == ""
    [follow] = shell_blocks(DOCUMENT, "Follow")
    terminal.run(follow)
    terminal.wait_for("following\n")

    [send] = shell_blocks(DOCUMENT, "Send")
    sent = json.loads(re.findall(r"{.*}", terminal.run(send))[0])
    again = json.loads(re.findall(r"{.*}", terminal.run(send))[0])
    terminal.wait_for(f"{sent['from']} Hello from a program\n")
    [read] = shell_blocks(DOCUMENT, "Read")
    newest, found, conversations = map(json.loads, re.findall(r"{.*}", terminal.run(read)))
    [leave] = shell_blocks(DOCUMENT, "Sign out")
    terminal.run(leave)

    assert again["id"] == sent["id"]
    assert [message["id"] for message in newest["messages"]] == [sent["id"]]
    assert [message["id"] for message in found["messages"]] == [sent["id"]]
    assert [item["unread"] for item in conversations["conversations"]] == [0]
    assert terminal.output.count(" Hello from a program\n") == 1
    with pytest.raises(AssertionError, match="401"):
        terminal.run(send)
