"""The archive API beside a real ejabberd: programs read, search and follow archives."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientPayloadError, ClientSession
from support import mam
from support.archives import correct, displayed, react
from support.event_stream import stream
from support.ports import LOOPBACK
from support.remote_data import path, session
from support.server import Server

# Programs read alike beside every release; test_archived_messages.py has all of them.
pytestmark = pytest.mark.newest_ejabberd

OPERATOR = {"operators.auditor": {"role": "reader", "secret": "auditing-is-reading"}}

#: Errors at the end of a stream, after a shutdown and after SIGKILL.
ENDS = (EOFError, ClientConnectionError, ClientPayloadError, AssertionError)


async def get(http: ClientSession, path: str, **query: Any) -> Any:
    async with http.get(path, params=query) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def test_archive_api_and_mam_return_the_same_messages(server: Server) -> None:
    alice, bob = server.accounts("alice", "bob@2")
    async with (
        server.client(alice) as alice_client,
        server.client(bob) as bob_client,
        session(server.muniment) as http,
    ):
        await alice_client.be_available()
        await bob_client.be_available()
        for n in range(5):
            alice_client.say(bob.jid, f"ping {n}")
            await bob_client.wait_for_body(f"ping {n}")
            bob_client.say(alice.jid, f"pong {n}")
            await alice_client.wait_for_body(f"pong {n}")
        results = await mam.everything(alice_client)
        path = f"/api/v1/archives/{alice.jid}"

        page = await get(http, f"{path}/messages", count="true")
        pongs = await get(http, f"{path}/messages", search="PONG", order="desc", limit="2")
        [conversation] = (await get(http, f"{path}/conversations"))["conversations"]

    assert [message["id"] for message in page["messages"]] == [result.id for result in results]
    assert [message["time"] for message in page["messages"]] == [
        result.stamp for result in results
    ]
    assert [message["body"] for message in page["messages"]] == [result.body for result in results]
    assert (page["count"], page["index"], page["complete"]) == (10, 0, True)
    assert [message["body"] for message in pongs["messages"]] == ["pong 4", "pong 3"]
    assert (conversation["peer"], conversation["count"]) == (bob.jid, 10)
    assert conversation["unread"] == 1


async def test_displayed_marker_lowers_the_unread_count(
    server: Server,
) -> None:
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as alice_client, server.client(bob) as bob_client:
        await bob_client.be_available()
        ids = [alice_client.say(bob.jid, f"message {n}") for n in range(5)]
        await bob_client.wait_for_body("message 4")
        async with session(server.muniment) as http:
            for count, id in ((3, ids[1]), (1, ids[3])):
                bob_client.send(f"<message to='{alice.jid}' type='chat'>{displayed(id)}</message>")
                await mam.query(
                    bob_client, max=0
                )  # its result shows that the marker has been archived
                path = f"/api/v1/archives/{bob.jid}/conversations"
                [conversation] = (await get(http, path))["conversations"]
                assert (conversation["unread"], conversation["peer"]) == (count, alice.jid)


async def test_history_posted_after_a_live_message_is_refused(
    server: Server,
) -> None:
    alice, bob = server.accounts("alice", "bob")
    common = {"username": alice.user, "peer": bob.user, "direction": "recv"}
    async with (
        server.client(alice) as alice_client,
        server.client(bob) as bob_client,
        session(server.muniment) as http,
    ):

        async def post(body: str, timestamp: str) -> tuple[int, str]:
            fields = common | {"body": body, "timestamp": timestamp}
            async with http.post(path(server.muniment, alice), json=fields) as response:
                error = await response.json() if response.content_length else {"message": ""}
                return response.status, error["message"]

        for day in (1, 2):
            assert await post(f"day {day}", f"2020-01-0{day}T00:00:00Z") == (200, "")
        await bob_client.be_available()
        alice_client.say(bob.jid, "live")
        await bob_client.wait_for_body("live")
        await mam.everything(alice_client)  # its result shows that the message has been archived

        older = await post("day 3", "2020-01-03T00:00:00Z")
        future = await post("too early", "9999-01-01T00:00:00Z")
        repeated = await post("day 2", "2020-01-02T00:00:00Z")

        target = f"/api/v1/archives/{alice.jid}"
        [conversation] = (await get(http, f"{target}/conversations"))["conversations"]
        newest = await get(http, f"{target}/messages", order="desc", limit="1")
        from_start = await mam.query(alice_client, fields={"start": "2020-01-02T00:00:00Z"})
        archived = await mam.bodies(alice_client)

    assert older[0] == 409
    assert f"the archive of {alice.jid} has newer messages already" in older[1]
    assert future[0] == 400
    assert "is in the future" in future[1]
    assert repeated == (200, "")
    assert conversation["last"]["body"] == "live"
    assert [message["body"] for message in newest["messages"]] == ["live"]
    assert from_start.bodies == ["day 2", "live"]
    assert archived == ["day 1", "day 2", "live"]


async def test_correction_and_reaction_are_folded_into_the_message(server: Server) -> None:
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as alice_client, server.client(bob) as bob_client:
        await alice_client.be_available()
        await bob_client.be_available()
        id = alice_client.say(bob.jid, "helo")
        alice_client.say(bob.jid, "hello", extra=correct(id))
        await bob_client.wait_for_body("hello")
        bob_client.send(
            f"<message to='{alice.jid}' type='chat' id='r1'>"
            f"{react(id, '👋')}<store xmlns='urn:xmpp:hints'/></message>"
        )
        await alice_client.wait_for(lambda stanza: stanza.get("id") == "r1")
        for client in (alice_client, bob_client):
            await mam.query(client, max=0)  # its result shows that the reaction has been archived
        async with session(server.muniment) as http:
            for owner in (alice, bob):
                path = f"/api/v1/archives/{owner.jid}/messages"
                [message] = (await get(http, path, view="folded"))["messages"]

                assert message["body"] == "hello"
                assert message["edited"] is not None
                assert message["reactions"] == {"👋": [bob.jid]}


@pytest.mark.parametrize("own_server", [OPERATOR], indirect=True)
@pytest.mark.parametrize("ending", ["restart", "crash"])
async def test_stream_resumed_after_restart_has_no_gap_and_no_duplicate(
    own_server: Server, ending: str
) -> None:
    """Messages are sent during the restarts; finally the stream and the archive have the same
    ones."""
    alice, bob = own_server.accounts("alice", "bob")
    muniment = own_server.muniment
    url = f"http://{LOOPBACK}:{muniment.http_port}/api/v1/archives/{alice.jid}/stream"
    headers = {"Authorization": "Bearer auditing-is-reading"}
    followed: list[str] = []
    arrived = asyncio.Event()

    async def follow() -> None:
        last_id = "start"
        async with ClientSession(headers=headers) as http:
            while "the end" not in followed:
                try:
                    async with stream(http, url, last_id=last_id) as events:
                        while "the end" not in followed:
                            followed.append((await events.next())["body"])
                            last_id = events.last_id
                            arrived.set()
                except ENDS:
                    await asyncio.sleep(0.05)

    async with own_server.client(alice) as alice_client, own_server.client(bob) as bob_client:
        await bob_client.be_available()
        following = asyncio.create_task(follow())
        for round_number in range(3):
            for n in range(100):
                alice_client.say(bob.jid, f"{round_number}.{n}")
            async with asyncio.timeout(30):
                while f"{round_number}.0" not in followed:
                    await arrived.wait()
                    arrived.clear()
            # Some of the messages are in transit now.
            if ending == "restart":
                await asyncio.to_thread(muniment.restart)
            else:
                await asyncio.to_thread(muniment.kill)
                await asyncio.to_thread(muniment.start)
        alice_client.say(bob.jid, "the end")
        async with asyncio.timeout(30):
            await following
        archived = await mam.bodies(alice_client)

    assert followed == archived
    assert followed[-1] == "the end"
    assert {"0.0", "1.0", "2.0"} <= set(followed)


@pytest.mark.parametrize("own_server", [OPERATOR], indirect=True)
async def test_search_by_operator_is_in_the_audit_log(own_server: Server) -> None:
    alice = own_server.account("alice")
    headers = {"X-Api-Key": "auditing-is-reading"}
    async with ClientSession(own_server.muniment.url, headers=headers) as http:
        await get(http, f"/api/v1/archives/{alice.jid}/messages", search="bribe")
        async with http.get("/api/v1/audit") as response:
            assert response.status == 403
        async with http.get(f"/api/archive?username={alice.user}") as response:
            assert response.status == 403
    async with session(own_server.muniment) as http:
        [audit_entry] = (await get(http, "/api/v1/audit"))["entries"]

    assert (audit_entry["actor"], audit_entry["action"], audit_entry["subject"]) == (
        "auditor",
        "search",
        alice.jid,
    )
    assert "bribe" not in own_server.muniment.log
    assert "auditing-is-reading" not in own_server.muniment.log
