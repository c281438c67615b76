"""The archive API beside a real ejabberd: what users say is read, searched and followed."""

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

OPERATOR = {"operators.auditor": {"role": "reader", "secret": "auditing-is-reading"}}

#: How a stream ends when the program does: cleanly, or in the middle where it was killed.
ENDS = (EOFError, ClientConnectionError, ClientPayloadError, AssertionError)


async def get(http: ClientSession, path: str, **query: Any) -> Any:
    async with http.get(path, params=query) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def test_the_api_and_mam_show_the_same_archive(server: Server) -> None:
    alice, bob = server.accounts("alice", "bob@2")
    async with (
        server.client(alice) as hers,
        server.client(bob) as his,
        session(server.muniment) as http,
    ):
        await hers.be_available()
        await his.be_available()
        for n in range(5):
            hers.say(bob.jid, f"ping {n}")
            await his.wait_for_body(f"ping {n}")
            his.say(alice.jid, f"pong {n}")
            await hers.wait_for_body(f"pong {n}")
        found = await mam.everything(hers)
        path = f"/api/v1/archives/{alice.jid}"

        page = await get(http, f"{path}/messages", count="true")
        pongs = await get(http, f"{path}/messages", search="PONG", order="desc", limit="2")
        [conversation] = (await get(http, f"{path}/conversations"))["conversations"]

    assert [one["id"] for one in page["messages"]] == [message.id for message in found]
    assert [one["time"] for one in page["messages"]] == [message.stamp for message in found]
    assert [one["body"] for one in page["messages"]] == [message.body for message in found]
    assert (page["count"], page["index"], page["complete"]) == (10, 0, True)
    assert [one["body"] for one in pongs["messages"]] == ["pong 4", "pong 3"]
    assert (conversation["peer"], conversation["count"]) == (bob.jid, 10)
    assert conversation["unread"] == 1


async def test_what_is_unread_is_what_came_behind_the_last_message_displayed(
    server: Server,
) -> None:
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as hers, server.client(bob) as his:
        await his.be_available()
        ids = [hers.say(bob.jid, f"message {n}") for n in range(5)]
        await his.wait_for_body("message 4")
        async with session(server.muniment) as http:
            for count, id in ((3, ids[1]), (1, ids[3])):
                his.send(f"<message to='{alice.jid}' type='chat'>{displayed(id)}</message>")
                await mam.query(his, max=0)  # behind it on its way to us
                path = f"/api/v1/archives/{bob.jid}/conversations"
                [conversation] = (await get(http, path))["conversations"]
                assert (conversation["unread"], conversation["peer"]) == (count, alice.jid)


async def test_history_is_posted_before_what_is_said_live_and_never_behind_it(
    server: Server,
) -> None:
    alice, bob = server.accounts("alice", "bob")
    posted = {"username": alice.user, "peer": bob.user, "direction": "recv"}
    async with (
        server.client(alice) as hers,
        server.client(bob) as his,
        session(server.muniment) as http,
    ):

        async def post(body: str, timestamp: str) -> tuple[int, str]:
            fields = posted | {"body": body, "timestamp": timestamp}
            async with http.post(path(server.muniment, alice), json=fields) as answer:
                said = await answer.json() if answer.content_length else {"message": ""}
                return answer.status, said["message"]

        for day in (1, 2):
            assert await post(f"day {day}", f"2020-01-0{day}T00:00:00Z") == (200, "")
        await his.be_available()
        hers.say(bob.jid, "live")
        await his.wait_for_body("live")
        await mam.everything(hers)  # so it is in the archive

        behind = await post("day 3", "2020-01-03T00:00:00Z")
        ahead = await post("too early", "9999-01-01T00:00:00Z")
        again = await post("day 2", "2020-01-02T00:00:00Z")

        target = f"/api/v1/archives/{alice.jid}"
        [conversation] = (await get(http, f"{target}/conversations"))["conversations"]
        newest = await get(http, f"{target}/messages", order="desc", limit="1")
        since = await mam.query(hers, fields={"start": "2020-01-02T00:00:00Z"})
        archived = await mam.bodies(hers)

    assert behind[0] == 409
    assert f"the archive of {alice.jid} has newer messages already" in behind[1]
    assert ahead[0] == 400
    assert "is in the future" in ahead[1]
    assert again == (200, "")
    assert conversation["last"]["body"] == "live"
    assert [one["body"] for one in newest["messages"]] == ["live"]
    assert since.bodies == ["day 2", "live"]
    assert archived == ["day 1", "day 2", "live"]


async def test_what_was_said_is_folded(server: Server) -> None:
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as hers, server.client(bob) as his:
        await his.be_available()
        id = hers.say(bob.jid, "helo")
        hers.say(bob.jid, "hello", extra=correct(id))
        await his.wait_for_body("hello")
        his.send(
            f"<message to='{alice.jid}' type='chat' id='r1'>"
            f"{react(id, '👋')}<store xmlns='urn:xmpp:hints'/></message>"
        )
        await his.settled()
        async with session(server.muniment) as http:
            for owner in (alice, bob):
                path = f"/api/v1/archives/{owner.jid}/messages"
                while True:
                    [found] = (await get(http, path, view="folded"))["messages"]
                    if found["reactions"]:
                        break

                assert found["body"] == "hello"
                assert found["edited"] is not None
                assert found["reactions"] == {"👋": [bob.jid]}


@pytest.mark.parametrize("own_server", [OPERATOR], indirect=True)
@pytest.mark.parametrize("ending", ["restart", "crash"])
async def test_a_follower_misses_and_repeats_nothing_over_restarts(
    own_server: Server, ending: str
) -> None:
    """Messages flow all the while; what ejabberd could not hand on meanwhile nobody has."""
    alice, bob = own_server.accounts("alice", "bob")
    muniment = own_server.muniment
    url = f"http://{LOOPBACK}:{muniment.http_port}/api/v1/archives/{alice.jid}/stream"
    shown = {"Authorization": "Bearer auditing-is-reading"}
    followed: list[str] = []
    arrived = asyncio.Event()

    async def follow() -> None:
        last_id = "start"
        async with ClientSession(headers=shown) as http:
            while "the end" not in followed:
                try:
                    async with stream(http, url, last_id=last_id) as events:
                        while "the end" not in followed:
                            followed.append((await events.next())["body"])
                            last_id = events.last_id
                            arrived.set()
                except ENDS:
                    await asyncio.sleep(0.05)

    async with own_server.client(alice) as hers, own_server.client(bob) as his:
        await his.be_available()
        following = asyncio.create_task(follow())
        for part in range(3):
            for n in range(100):
                hers.say(bob.jid, f"{part}.{n}")
            async with asyncio.timeout(30):
                while f"{part}.0" not in followed:
                    await arrived.wait()
                    arrived.clear()
            # Some of these are on their way now.
            if ending == "restart":
                await asyncio.to_thread(muniment.restart)
            else:
                await asyncio.to_thread(muniment.kill)
                await asyncio.to_thread(muniment.start)
        hers.say(bob.jid, "the end")
        async with asyncio.timeout(30):
            await following
        archived = await mam.bodies(hers)

    assert followed == archived
    assert followed[-1] == "the end"
    assert {"0.0", "1.0", "2.0"} <= set(followed)


@pytest.mark.parametrize("own_server", [OPERATOR], indirect=True)
async def test_an_operator_reads_and_the_audit_log_says_so(own_server: Server) -> None:
    alice = own_server.account("alice")
    shown = {"X-Api-Key": "auditing-is-reading"}
    async with ClientSession(own_server.muniment.url, headers=shown) as http:
        await get(http, f"/api/v1/archives/{alice.jid}/messages", search="bribe")
        async with http.get("/api/v1/audit") as answer:
            assert answer.status == 403
        async with http.get(f"/api/archive?username={alice.user}") as answer:
            assert answer.status == 403
    async with session(own_server.muniment) as http:
        [audit_entry] = (await get(http, "/api/v1/audit"))["entries"]

    assert (audit_entry["actor"], audit_entry["action"], audit_entry["subject"]) == (
        "auditor",
        "search",
        alice.jid,
    )
    assert "bribe" not in own_server.muniment.log
    assert "auditing-is-reading" not in own_server.muniment.log
