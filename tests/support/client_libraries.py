"""XMPP client libraries of other projects, each in its own process with JSON in and out."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from support.ejabberd import Account
from support.ports import LOOPBACK
from support.server import Server

HERE = Path(__file__).parent

SYSTEM_PYTHON = "/usr/bin/python3"
NBXMPP = HERE / "nbxmpp_client.py"
STANZA_JS = HERE / "stanza_js"

GiveUp = Callable[[object], NoReturn]


async def nbxmpp(server: Server, account: Account, missing: GiveUp, **orders: Any) -> Any:
    """Log in with nbxmpp, the library of Gajim, and return the result of its orders."""
    if not await _succeeds(SYSTEM_PYTHON, "-c", "import nbxmpp"):
        missing("nbxmpp is not installed (Debian: apt-get install python3-nbxmpp)")
    login = {
        "domain": account.host,
        "username": account.user,
        "password": account.password,
        "port": server.ejabberd.ports.c2s,
    }
    result = await _run([SYSTEM_PYTHON, str(NBXMPP)], login | orders)
    assert "error" not in result, result
    return result


async def stanza_js(
    server: Server, account: Account, missing: GiveUp, *calls: dict[str, Any]
) -> list[dict[str, Any]]:
    """Log in with stanza.js over WebSocket, make calls, and return the result of each."""
    node = shutil.which("node")
    if node is None or not (STANZA_JS / "node_modules" / "stanza").is_dir():
        missing("stanza.js is not installed (scripts/install test)")
    orders = {
        "jid": account.jid,
        "password": account.password,
        "url": f"ws://{LOOPBACK}:{server.ejabberd.ports.http}/ws",
        "calls": calls,
    }
    result: list[dict[str, Any]] = await _run([node, str(STANZA_JS / "driver.mjs")], orders)
    return result


async def _succeeds(*command: str) -> bool:
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL)
    return await process.wait() == 0


async def _run(command: Sequence[str], orders: object) -> Any:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate(json.dumps(orders).encode())
    assert process.returncode == 0, err.decode()
    return json.loads(out)
