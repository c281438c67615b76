"""Commands of operators, by slixmpp's forms and by our command in a shell."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from slixmpp import ClientXMPP

from support.command import COMMAND_SECONDS, run_command, start_command
from support.ejabberd import Account
from support.server import Server
from support.slixmpp_client import slixmpp_client

ADMIN = "http://jabber.org/protocol/admin"
BOSS = Account("boss", "one.test", "the password of the boss")
OPERATORS = {"operators.boss": {"role": "admin", "jid": BOSS.jid}}


class Operator:
    """An operator with a client that supports ad-hoc commands."""

    def __init__(self, client: ClientXMPP, component: str) -> None:
        self._client = client
        self._adhoc = client.plugin["xep_0050"]
        self._component = component

    async def nodes(self) -> set[str]:
        """Return the nodes of the commands that are listed."""
        listed = await self._adhoc.get_commands(self._component)
        return {node for _, node, _ in listed["disco_items"]["items"]}

    async def give(self, node: str, fields: Mapping[str, Any] | None = None) -> Any:
        """Run a command with values for its form, and return its completion. Raises IqError."""
        begun = (await self._adhoc.send_command(self._component, node))["command"]
        if begun["status"] == "completed":
            return begun
        form = begun["form"]
        form["type"] = "submit"
        form.set_values({**form.get_values(), **(fields or {})})
        done = await self._adhoc.send_command(
            self._component, node, action="complete", payload=form, sessionid=begun["sessionid"]
        )
        return done["command"]


@asynccontextmanager
async def operator(server: Server, account: Account = BOSS) -> AsyncIterator[Operator]:
    """Log in with slixmpp as an operator."""
    async with slixmpp_client(account, server.ejabberd.ports.c2s) as client:
        client.register_plugin("xep_0050")
        yield Operator(client, server.ejabberd.component)


def line(server: Server, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run our command as an administrator does."""
    return run_command(*_arguments(server, *arguments), stdin=stdin)


async def run_for_json(server: Server, *arguments: str, stdin: str = "") -> dict[str, Any]:
    """Run our command, which has to succeed, and return its JSON."""
    done = await asyncio.to_thread(line, server, *arguments, "--json", stdin=stdin)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def typed(server: Server, *arguments: str, answers: Sequence[str]) -> tuple[int, str]:
    """Run our command on a terminal without colours, and type answers to its questions.

    Returns its exit code, and the output on the terminal.
    """
    keyboard, screen = os.openpty()
    process = start_command(
        _arguments(server, *arguments),
        stdin=screen,
        stdout=screen,
        stderr=screen,
        environment=os.environ | {"NO_COLOR": "1"},
    )
    os.close(screen)
    output, waiting = b"", [answer.encode() for answer in answers]
    with suppress(OSError):  # the terminal is closed at the other end
        while text := os.read(keyboard, 1024):
            output += text
            if waiting and output.endswith(b": "):
                os.write(keyboard, waiting.pop(0))
    os.close(keyboard)
    return process.wait(COMMAND_SECONDS), output.decode()


def _arguments(server: Server, *arguments: str) -> list[str]:
    name, *options = arguments
    return [name, "--config", str(server.muniment.config_path), *options]
