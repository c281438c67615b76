"""Clients of three independent makers read the same archive."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from slixmpp import JID, Message
from support import mam
from support.clients import slixmpp_client
from support.ejabberd import Account
from support.server import Server

NBXMPP = Path(__file__).parents[1] / "support" / "nbxmpp_client.py"
SYSTEM_PYTHON = "/usr/bin/python3"

COUNT = 25


@pytest.fixture
async def alice(server: Server) -> Account:
    """A user with messages 0 to 24 in her archive, in both directions."""
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as hers, server.client(bob) as his:
        await hers.be_available()
        await his.be_available()
        for n in range(COUNT):
            sender, recipient = (hers, his) if n % 2 else (his, hers)
            sender.say(recipient.account.jid, f"message {n}")
            await recipient.wait_for_body(f"message {n}")
    return alice


def texts(messages: list[Message]) -> list[str]:
    return [message["mam_result"]["forwarded"]["stanza"]["body"] for message in messages]


EXPECTED = [f"message {n}" for n in range(COUNT)]


@pytest.fixture(params=["own address", "component"])
def archive(request: pytest.FixtureRequest, server: Server) -> JID | None:
    """Where archives are asked for: the user's own bare JID, or the component."""
    return None if request.param == "own address" else JID(server.ejabberd.component)


async def test_slixmpp_retrieves_a_page_of_the_size_it_asks_for(
    server: Server, alice: Account, archive: JID | None
) -> None:
    async with slixmpp_client(alice, server.ejabberd.ports.c2s) as client:
        answer = await client.plugin["xep_0313"].retrieve(jid=archive, rsm={"max": 7}, timeout=10)

        assert texts(answer["mam"]["results"]) == EXPECTED[:7]
        assert answer["mam_fin"]["complete"] != "true"


@pytest.mark.parametrize("page", [1, 10, 100])
async def test_slixmpp_iterates_forwards_over_everything(
    server: Server, alice: Account, archive: JID | None, page: int
) -> None:
    async with slixmpp_client(alice, server.ejabberd.ports.c2s) as client:
        found = [
            message
            async for message in client.plugin["xep_0313"].iterate(jid=archive, rsm={"max": page})
        ]

        assert texts(found) == EXPECTED


async def test_slixmpp_iterates_backwards_over_everything(
    server: Server, alice: Account, archive: JID | None
) -> None:
    async with slixmpp_client(alice, server.ejabberd.ports.c2s) as client:
        found = [
            message
            async for message in client.plugin["xep_0313"].iterate(
                jid=archive, rsm={"max": 10}, reverse=True
            )
        ]

        assert texts(found) == EXPECTED[::-1]


async def test_nbxmpp_reads_everything_page_by_page(
    server: Server, alice: Account, archive: JID | None, missing: Callable[[object], NoReturn]
) -> None:
    if not await has_nbxmpp():
        missing("nbxmpp is not installed (Debian: apt-get install python3-nbxmpp)")

    got = await nbxmpp_reads(server, alice, str(archive or alice.jid))

    assert [message["body"] for message in got["messages"]] == EXPECTED
    assert got["pages"] == 3
    async with server.client(alice) as client:
        ids = [found.id for found in await mam.everything(client)]
    assert [message["id"] for message in got["messages"]] == ids


async def has_nbxmpp() -> bool:
    process = await asyncio.create_subprocess_exec(
        SYSTEM_PYTHON, "-c", "import nbxmpp", stderr=subprocess.DEVNULL
    )
    return await process.wait() == 0


async def nbxmpp_reads(server: Server, account: Account, archive: str) -> dict[str, Any]:
    """Have nbxmpp read an archive in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        SYSTEM_PYTHON,
        str(NBXMPP),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    orders = {
        "domain": account.host,
        "username": account.user,
        "password": account.password,
        "port": server.ejabberd.ports.c2s,
        "archive": archive,
        "max": 10,
    }
    out, err = await process.communicate(json.dumps(orders).encode())
    assert process.returncode == 0, err.decode()
    got: dict[str, Any] = json.loads(out)
    assert "error" not in got, (got, err.decode())
    return got
