"""Clients of three independent makers read the same archive."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest
from slixmpp import JID, Message
from support import mam
from support.ejabberd import Account
from support.server import Server
from support.slixmpp_client import slixmpp_client
from support.stanzas import Refused
from support.traffic import say_in_turn

from component.xmpp.archive.mam_form import FIELDS

#: What it tests differs between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

NBXMPP = Path(__file__).parents[1] / "support" / "nbxmpp_client.py"
SYSTEM_PYTHON = "/usr/bin/python3"

COUNT = 25


@pytest.fixture
async def alice(server: Server) -> Account:
    """A user with messages 0 to 24 in her archive, in both directions."""
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as hers, server.client(bob) as his:
        await say_in_turn(hers, his, COUNT)
    return alice


def texts(messages: list[Message]) -> list[str]:
    return [message["mam_result"]["forwarded"]["stanza"]["body"] for message in messages]


EXPECTED = [f"message {n}" for n in range(COUNT)]


@pytest.fixture(params=["own address", "component", "address at the component"])
def archive(request: pytest.FixtureRequest, server: Server, alice: Account) -> JID | None:
    """Where archives are asked for: at the user's own bare JID, or at the component."""
    component = server.ejabberd.component
    at_component = JID(f"{alice.user}\\40{alice.host}@{component}")
    return {"own address": None, "component": JID(component)}.get(request.param, at_component)


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


async def test_slixmpp_filters_by_address_and_by_time(
    server: Server, alice: Account, archive: JID | None
) -> None:
    async with server.client(alice) as client:
        found = await mam.everything(client)
    sender = next(one.sender for one in found if one.sender and alice.user not in one.sender)
    since = datetime.fromisoformat(found[11].stamp)
    async with slixmpp_client(alice, server.ejabberd.ports.c2s) as client:
        archives = client.plugin["xep_0313"]
        of_bob = [one async for one in archives.iterate(jid=archive, with_jid=JID(sender))]
        late = [one async for one in archives.iterate(jid=archive, start=since, reverse=True)]
        nobody = [one async for one in archives.iterate(jid=archive, with_jid=JID("no@x.example"))]

    assert texts(of_bob) == EXPECTED[::2]
    assert texts(late) == EXPECTED[:10:-1]
    assert nobody == []


async def test_slixmpp_learns_the_fields_of_queries(
    server: Server, alice: Account, archive: JID | None
) -> None:
    async with slixmpp_client(alice, server.ejabberd.ports.c2s) as client:
        form = await client.plugin["xep_0313"].get_fields(jid=archive, timeout=10)

    fields = {name: field["type"] for name, field in form.get_fields().items()}
    assert fields == {"FORM_TYPE": "hidden", **FIELDS}


async def test_slixmpp_learns_where_an_archive_begins_and_ends(
    server: Server, alice: Account, archive: JID | None
) -> None:
    async with server.client(alice) as client:
        first, *_, last = await mam.everything(client)
    async with slixmpp_client(alice, server.ejabberd.ports.c2s) as client:
        archives = client.plugin["xep_0313"]
        metadata = (await archives.get_archive_metadata(jid=archive, timeout=10))["mam_metadata"]

    ends = [(metadata[end]["id"], metadata[end]["timestamp"]) for end in ("start", "end")]
    assert ends == [(one.id, datetime.fromisoformat(one.stamp)) for one in (first, last)]


async def test_users_are_told_what_their_archives_can_do(server: Server, alice: Account) -> None:
    async with slixmpp_client(alice, server.ejabberd.ports.c2s) as client:
        info = await client.plugin["xep_0030"].get_info(jid=JID(alice.jid), timeout=10)

    assert {"urn:xmpp:mam:2", "urn:xmpp:mam:2#extended"} <= info["disco_info"]["features"]


async def test_a_page_can_be_flipped_and_messages_fetched_one_by_one(
    server: Server, alice: Account
) -> None:
    async with server.client(alice) as client:
        usual = await mam.query(client, max=5)
        flipped = await mam.query(client, max=5, extra="<flip-page/>")
        one = await mam.query(client, fields={"ids": usual.results[3].id})

    assert flipped.bodies == usual.bodies[::-1]
    assert (flipped.first, flipped.last) == (usual.first, usual.last)
    assert one.bodies == EXPECTED[3:4]


async def test_an_archive_of_somebody_else_stays_closed(server: Server, alice: Account) -> None:
    address = f"{alice.user}\\40{alice.host}@{server.ejabberd.component}"
    async with server.client(server.account("eve")) as client:
        for to in (alice.jid, address):
            with pytest.raises(Refused) as caught:
                await mam.query(client, to=to)
            assert caught.value.condition == "forbidden"


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
