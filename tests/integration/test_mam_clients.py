"""Three independent client libraries read the same archive."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest
import pytest_asyncio
from slixmpp import JID, Message
from support import mam
from support.ejabberd import Account
from support.server import Server
from support.slixmpp_client import slixmpp_client
from support.stanzas import Refused
from support.traffic import say_in_turn

from component.xmpp.archive.mam_form import FIELDS

#: Delegated queries differ between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

NBXMPP = Path(__file__).parents[1] / "support" / "nbxmpp_client.py"
SYSTEM_PYTHON = "/usr/bin/python3"

COUNT = 25


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alice(server: Server) -> Account:
    """A user whose archive has the messages 0 to 24, sent and received."""
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as alice_client, server.client(bob) as bob_client:
        await say_in_turn(alice_client, bob_client, COUNT)
    return alice


def texts(messages: list[Message]) -> list[str]:
    return [message["mam_result"]["forwarded"]["stanza"]["body"] for message in messages]


EXPECTED = [f"message {n}" for n in range(COUNT)]


@pytest.fixture(params=["own address", "component", "address at the component"])
def archive(request: pytest.FixtureRequest, server: Server, alice: Account) -> JID | None:
    """The address of the query; None for the bare JID of the user."""
    component = server.ejabberd.component
    at_component = JID(f"{alice.user}\\40{alice.host}@{component}")
    return {"own address": None, "component": JID(component)}.get(request.param, at_component)


async def test_slixmpp_retrieves_a_page_of_the_requested_size(
    server: Server, alice: Account, archive: JID | None
) -> None:
    async with slixmpp_client(alice, server.ejabberd.ports.c2s) as client:
        response = await client.plugin["xep_0313"].retrieve(
            jid=archive, rsm={"max": 7}, timeout=10
        )

        assert texts(response["mam"]["results"]) == EXPECTED[:7]
        assert response["mam_fin"]["complete"] != "true"


@pytest.mark.parametrize("page", [1, 10, 100])
async def test_slixmpp_iterates_forwards_over_the_archive(
    server: Server, alice: Account, archive: JID | None, page: int
) -> None:
    async with slixmpp_client(alice, server.ejabberd.ports.c2s) as client:
        messages = [
            message
            async for message in client.plugin["xep_0313"].iterate(jid=archive, rsm={"max": page})
        ]

        assert texts(messages) == EXPECTED


async def test_slixmpp_iterates_backwards_over_the_archive(
    server: Server, alice: Account, archive: JID | None
) -> None:
    async with slixmpp_client(alice, server.ejabberd.ports.c2s) as client:
        messages = [
            message
            async for message in client.plugin["xep_0313"].iterate(
                jid=archive, rsm={"max": 10}, reverse=True
            )
        ]

        assert texts(messages) == EXPECTED[::-1]


async def test_slixmpp_filters_by_address_and_by_time(
    server: Server, alice: Account, archive: JID | None
) -> None:
    async with server.client(alice) as client:
        results = await mam.everything(client)
    sender = next(
        result.sender for result in results if result.sender and alice.user not in result.sender
    )
    start = datetime.fromisoformat(results[11].stamp)
    async with slixmpp_client(alice, server.ejabberd.ports.c2s) as client:
        archives = client.plugin["xep_0313"]
        with_bob = [
            message async for message in archives.iterate(jid=archive, with_jid=JID(sender))
        ]
        late = [
            message async for message in archives.iterate(jid=archive, start=start, reverse=True)
        ]
        with_stranger = [
            message
            async for message in archives.iterate(jid=archive, with_jid=JID("no@x.example"))
        ]

    assert texts(with_bob) == EXPECTED[::2]
    assert texts(late) == EXPECTED[:10:-1]
    assert with_stranger == []


async def test_slixmpp_reads_the_form_fields(
    server: Server, alice: Account, archive: JID | None
) -> None:
    async with slixmpp_client(alice, server.ejabberd.ports.c2s) as client:
        form = await client.plugin["xep_0313"].get_fields(jid=archive, timeout=10)

    fields = {name: field["type"] for name, field in form.get_fields().items()}
    assert fields == {"FORM_TYPE": "hidden", **FIELDS}


async def test_slixmpp_reads_the_metadata(
    server: Server, alice: Account, archive: JID | None
) -> None:
    async with server.client(alice) as client:
        first, *_, last = await mam.everything(client)
    async with slixmpp_client(alice, server.ejabberd.ports.c2s) as client:
        archives = client.plugin["xep_0313"]
        metadata = (await archives.get_archive_metadata(jid=archive, timeout=10))["mam_metadata"]

    ends = [(metadata[end]["id"], metadata[end]["timestamp"]) for end in ("start", "end")]
    assert ends == [(result.id, datetime.fromisoformat(result.stamp)) for result in (first, last)]


async def test_bare_jid_advertises_mam(server: Server, alice: Account) -> None:
    async with slixmpp_client(alice, server.ejabberd.ports.c2s) as client:
        info = await client.plugin["xep_0030"].get_info(jid=JID(alice.jid), timeout=10)

    assert {"urn:xmpp:mam:2", "urn:xmpp:mam:2#extended"} <= info["disco_info"]["features"]


async def test_page_is_flipped_and_message_is_fetched_by_id(
    server: Server, alice: Account
) -> None:
    async with server.client(alice) as client:
        page = await mam.query(client, max=5)
        flipped = await mam.query(client, max=5, extra="<flip-page/>")
        fetched = await mam.query(client, fields={"ids": page.results[3].id})

    assert flipped.bodies == page.bodies[::-1]
    assert (flipped.first, flipped.last) == (page.first, page.last)
    assert fetched.bodies == EXPECTED[3:4]


async def test_query_of_another_users_archive_is_forbidden(server: Server, alice: Account) -> None:
    address = f"{alice.user}\\40{alice.host}@{server.ejabberd.component}"
    async with server.client(server.account("eve")) as client:
        for to in (alice.jid, address):
            with pytest.raises(Refused) as caught:
                await mam.query(client, to=to)
            assert caught.value.condition == "forbidden"


async def test_nbxmpp_reads_the_archive_page_by_page(
    server: Server, alice: Account, archive: JID | None, missing: Callable[[object], NoReturn]
) -> None:
    if not await has_nbxmpp():
        missing("nbxmpp is not installed (Debian: apt-get install python3-nbxmpp)")

    output = await nbxmpp_reads(server, alice, str(archive or alice.jid))

    assert [message["body"] for message in output["messages"]] == EXPECTED
    assert output["pages"] == 3
    async with server.client(alice) as client:
        ids = [result.id for result in await mam.everything(client)]
    assert [message["id"] for message in output["messages"]] == ids


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
    output: dict[str, Any] = json.loads(out)
    assert "error" not in output, (output, err.decode())
    return output
