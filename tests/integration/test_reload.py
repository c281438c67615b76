"""SIGHUP: the running program takes what it can from a changed configuration, and says so."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession
from support.releases import Release
from support.server import Server

# Options are reloaded alike beside every release.
pytestmark = pytest.mark.newest_ejabberd

#: The longest wait of a test that fails, on a loaded machine.
DEADLINE = 60.0


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a service manager, sd_notify(3)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(DEADLINE)
        yield listening


async def wait_for(manager: socket.socket, start: str) -> None:
    """Return when a message of the program begins so."""
    while not (await asyncio.to_thread(manager.recv, 500)).startswith(start.encode()):
        pass


async def reload(server: Server, manager: socket.socket) -> str:
    """Send the signal, and return what the program logs until it is ready again."""
    before = len(server.muniment.log)
    os.kill(server.muniment.pid, signal.SIGHUP)
    await wait_for(manager, "RELOADING=1")
    await wait_for(manager, "READY=1")
    return server.muniment.log[before:]


async def status(server: Server, path: str, secret: str) -> int:
    """Return the status of the answer to a request with a secret."""
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        ClientSession(server.muniment.url, headers=headers) as session,
        session.get(path) as response,
    ):
        return response.status


async def default_of(server: Server, name: str) -> str | None:
    """Return the archiving default of a user without preferences (XEP-0441)."""
    async with server.client(server.account(name)) as client:
        answer = await client.ask("get", "<prefs xmlns='urn:xmpp:mam:2'/>")
        prefs = answer.find("{urn:xmpp:mam:2}prefs")
        assert prefs is not None
        return prefs.get("default")


async def test_program_takes_what_it_can_from_a_changed_configuration(
    tmp_path: Path, release: Release, manager: socket.socket
) -> None:
    with Server.running(tmp_path, release) as server:
        muniment = server.muniment
        muniment.stop()
        muniment.begin(
            environment={"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "2000000"}
        )
        await wait_for(manager, "READY=1")
        await wait_for(manager, "STATUS=connected to ejabberd")
        await wait_for(manager, "WATCHDOG=1")
        pid, old = muniment.pid, muniment.secret
        audit = "/api/v1/audit"
        assert await status(server, audit, "the secret of carol") == 401
        assert await default_of(server, "alice") == "always"

        muniment.configure("http", secret="another secret", max_items=7)
        muniment.configure("operators.carol", role="admin", secret="the secret of carol")
        muniment.configure("archive", default="never")
        muniment.configure("log", format="json")
        muniment.write_config()
        log = await reload(server, manager)

        for option in ("http.secret", "operators.carol.role", "operators.carol.secret"):
            assert f"reloaded {option}: it takes effect now" in log
        assert "not reloaded http.max_items: it takes effect after a restart" in log
        assert "secret of carol" not in log
        assert "another secret" not in log
        assert log.rstrip().endswith("}")
        assert await status(server, audit, "the secret of carol") == 200
        assert await status(server, audit, old) == 401
        assert await status(server, audit, "another secret") != 401
        assert await default_of(server, "alice") == "never"

        # A wrong configuration changes nothing.
        muniment.configure("archive", default="sometimes")
        muniment.write_config()
        assert "the configuration is not reloaded: " in await reload(server, manager)
        assert await default_of(server, "alice") == "never"

        muniment.configure("archive", default="always")
        muniment.configure("operators.carol", role="reader")
        muniment.write_config()
        assert "operators.carol.role: it takes effect now" in await reload(server, manager)
        assert await status(server, audit, "the secret of carol") == 403
        assert (muniment.pid, muniment.is_running) == (pid, True)

        muniment.stop()
        await wait_for(manager, "STOPPING=1")
