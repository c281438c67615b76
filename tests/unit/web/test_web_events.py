"""The events API: polls, snapshots and streams of one account, and who is refused."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient
from support.builders import entry
from support.events import Replica
from support.http_services import HOST
from support.sign_in import BOTH, with_sign_in

from component.core.events.values import ContactPresence
from component.web.app import make_app
from component.web.server.settings import Listener, Services
from storage.rows import Contact, DisplayedMarker

ALICE, BOB = f"alice@{HOST}", f"bob@{HOST}"
PASSWORD = "pencil"
EVENTS, SNAPSHOT = f"/api/v1/archives/{ALICE}/events", f"/api/v1/archives/{ALICE}/snapshot"
SOON = 30.0


async def client_of(
    aiohttp_client: AiohttpClient, services: Services, jid: str = ALICE, **settings: Any
) -> TestClient:
    """Return a client that shows an access token of a user."""
    assert services.sign_ins is not None
    tokens = await services.sign_ins.sign_in(jid, PASSWORD)
    app = make_app(replace(BOTH, **settings), services, Listener.PUBLIC)
    headers = {"Authorization": f"Bearer {tokens.access_token}"}
    return await aiohttp_client(app, headers=headers)


@pytest.fixture
async def services(services: Services) -> Services:
    for jid in (ALICE, BOB):
        await services.accounts.admin.register(jid, PASSWORD)
    return with_sign_in(services)


@pytest.fixture
async def alice(aiohttp_client: AiohttpClient, services: Services) -> TestClient:
    return await client_of(aiohttp_client, services)


async def get(client: TestClient, path: str, status: int = 200, **query: Any) -> dict[str, Any]:
    response = await client.get(path, params={name: str(v) for name, v in query.items()})
    assert response.status == status, await response.text()
    return await response.json()  # type: ignore[no-any-return]


async def test_first_message_is_event_1(alice: TestClient, services: Services) -> None:
    await services.writer.store([entry("hello")])

    page = await get(alice, EVENTS, after=0)

    [event] = page["events"]
    assert (event["event_id"], event["type"], page["complete"]) == (1, "message", True)
    assert event["message"]["body"] == "hello"
    assert event["cursor"] == page["cursor"] == event["message"]["id"]
    assert event["conversation"]["unread"] == 1
    assert event["conversation"]["last"]["body"] == "hello"
    assert event["contact"] is event["presence"] is event["displayed"] is event["target"] is None


async def test_event_id_and_cursor_name_the_same_place(
    alice: TestClient, services: Services
) -> None:
    await services.writer.store([entry(n) for n in range(3)])
    first = (await get(alice, EVENTS, after=0, limit=1))["events"][0]

    by_id = await get(alice, EVENTS, after=first["event_id"])

    assert by_id == await get(alice, EVENTS, after=first["cursor"])
    assert [event["event_id"] for event in by_id["events"]] == [2, 3]


async def test_page_has_the_oldest_events(alice: TestClient, services: Services) -> None:
    await services.writer.store([entry(n) for n in range(3)])

    page = await get(alice, EVENTS, after=0, limit=2)

    assert [event["event_id"] for event in page["events"]] == [1, 2]
    assert not page["complete"]
    # Only the last event of a conversation has its state.
    assert [event["conversation"] is None for event in page["events"]] == [True, False]


async def test_page_is_cut_if_its_conversations_do_not_fit(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    alice = await client_of(aiohttp_client, services, page_max_bytes=1000)
    peers = [f"{number}@{HOST}" for number in range(4)]
    await services.writer.store([entry(f"small {peer}", peer=peer) for peer in peers])
    large = "x" * 600
    await services.writer.store([entry(f"{large} {peer}", peer=peer) for peer in peers])
    replica, sizes = Replica(), []

    complete = False
    while not complete:
        page = await get(alice, EVENTS, after=replica.cursor, limit=4)
        replica.apply(page)
        sizes.append(len(page["events"]))
        complete = page["complete"]

    assert sizes == [1, 1, 1, 1, 1, 1, 1, 1]
    assert replica.event_ids == list(range(1, 9))
    assert set(replica.conversations) == set(peers)
    assert all(large in state["last"]["body"] for state in replica.conversations.values())


async def test_poll_without_events_is_empty_with_the_same_cursor(
    alice: TestClient, services: Services
) -> None:
    cursor = (await get(alice, SNAPSHOT))["cursor"]

    page = await get(alice, EVENTS, after=cursor, wait=1)

    assert (page["events"], page["cursor"], page["complete"]) == ([], cursor, True)
    assert page["max_wait"] == 50


async def test_poll_waits_for_a_message(alice: TestClient, services: Services) -> None:
    cursor = (await get(alice, SNAPSHOT))["cursor"]
    polls = [asyncio.create_task(get(alice, EVENTS, after=cursor, wait=50)) for _ in range(3)]
    await asyncio.sleep(0.2)
    assert not any(poll.done() for poll in polls)

    await services.writer.store([entry("hello")])

    async with asyncio.timeout(SOON):
        pages = await asyncio.gather(*polls)
    # Devices do not take events from each other.
    assert all(page == pages[0] for page in pages)
    assert pages[0]["events"][0]["message"]["body"] == "hello"


async def test_poll_waits_for_a_contact_and_a_presence(
    alice: TestClient, services: Services
) -> None:
    replica = Replica.of(await get(alice, SNAPSHOT))

    async def next_events() -> list[dict[str, Any]]:
        async with asyncio.timeout(SOON):
            page = await get(alice, EVENTS, after=replica.cursor, wait=50)
        replica.apply(page)
        return page["events"]

    poll = asyncio.create_task(next_events())
    await asyncio.sleep(0.1)
    services.journal.note_roster_push(ALICE, [Contact(jid=BOB, name="Bob", groups=("b",))], [])
    [event] = await poll
    assert (event["type"], event["contact"]) == (
        "contact",
        {"jid": BOB, "name": "Bob", "subscription": "none", "asked": False, "groups": ["b"]},
    )

    services.journal.note_presence(
        ALICE, ContactPresence(jid=f"{BOB}/a", is_available=True, show="away", priority=5)
    )
    [event] = await next_events()
    assert (
        event["presence"].items()
        >= {
            "jid": f"{BOB}/a",
            "available": True,
            "show": "away",
            "status": None,
            "priority": 5,
        }.items()
    )

    services.journal.note_roster_push(ALICE, [], [BOB])
    events = await next_events()
    assert [event["type"] for event in events] == ["contact", "presence"]
    assert events[0]["contact"]["subscription"] == "remove"
    assert not events[1]["presence"]["available"]
    assert replica.state == Replica.of(await get(alice, SNAPSHOT)).state


async def test_roster_changed_without_push_is_an_event(
    alice: TestClient, services: Services
) -> None:
    cursor = (await get(alice, SNAPSHOT))["cursor"]
    poll = asyncio.create_task(get(alice, EVENTS, after=cursor, wait=50))
    await asyncio.sleep(0.1)

    await services.storage.contacts.put(ALICE, Contact(jid=BOB, subscription="both"))
    services.journal.roster_changed(ALICE)

    async with asyncio.timeout(SOON):
        [event] = (await poll)["events"]
    assert event["contact"]["jid"] == BOB
    [contact] = (await get(alice, SNAPSHOT))["contacts"]
    assert contact == event["contact"]


async def test_displayed_marker_is_an_event_with_the_unread_messages(
    alice: TestClient, services: Services
) -> None:
    await services.writer.store([entry(n) for n in range(3)])
    [_, second, last] = (await get(alice, EVENTS, after=0))["events"]
    assert services.displayed is not None
    marker = DisplayedMarker(owner=ALICE, peer=BOB, id=second["message"]["id"])
    poll = asyncio.create_task(get(alice, EVENTS, after=last["cursor"], wait=50))
    await asyncio.sleep(0.1)

    services.displayed.note([marker])

    async with asyncio.timeout(SOON):
        [event] = (await poll)["events"]
    assert event["displayed"] == {"peer": BOB, "id": second["message"]["id"]}
    assert event["conversation"]["unread"] == 1


async def test_expired_cursor_is_answered_410_with_a_valid_one(
    alice: TestClient, services: Services
) -> None:
    await services.writer.store([entry(1)])
    cursor = (await get(alice, SNAPSHOT))["cursor"]
    await services.administration.erasure.erase(ALICE, wait_seconds=SOON)
    await services.writer.store([entry(n) for n in range(3)])

    for path in (EVENTS, f"{EVENTS}/stream"):
        refused = await get(alice, path, status=410, after=cursor)
        assert (refused["error"], refused["status"]) == ("cursor-expired", 410)
        assert (await get(alice, EVENTS, after=refused["cursor"]))["events"] == []


async def test_poll_that_waits_ends_when_the_archive_is_erased(
    alice: TestClient, services: Services
) -> None:
    await services.writer.store([entry(1)])
    cursor = (await get(alice, SNAPSHOT))["cursor"]
    poll = asyncio.create_task(alice.get(EVENTS, params={"after": cursor, "wait": "50"}))
    await asyncio.sleep(0.1)

    await services.administration.erasure.erase(ALICE, wait_seconds=SOON)

    async with asyncio.timeout(SOON):
        assert (await poll).status == 410


@pytest.mark.parametrize("path", [EVENTS, SNAPSHOT, f"{EVENTS}/stream"])
async def test_events_of_others_are_refused(
    aiohttp_client: AiohttpClient, services: Services, path: str
) -> None:
    bob = await client_of(aiohttp_client, services, BOB)

    refused = await get(bob, path, status=403)

    assert refused["error"] == "forbidden"


async def test_place_is_required(alice: TestClient) -> None:
    for path in (EVENTS, f"{EVENTS}/stream"):
        assert "snapshot" in (await get(alice, path, status=400))["message"]


async def test_wait_is_at_most_what_the_token_lasts(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    services = with_sign_in(services, lifetime_seconds=2)
    alice = await client_of(aiohttp_client, services)
    cursor = (await get(alice, SNAPSHOT))["cursor"]

    async with asyncio.timeout(SOON):
        assert (await get(alice, EVENTS, after=cursor, wait=50))["events"] == []
        # A wait ends up to a fifth earlier.
        await asyncio.sleep(0.5)
        refused = await get(alice, EVENTS, status=401, after=cursor)
    assert refused["error"] == "not-authorized"


async def test_polls_that_begin_together_do_not_end_together(alice: TestClient) -> None:
    cursor = (await get(alice, SNAPSHOT))["cursor"]
    begun = time.monotonic()

    async def poll() -> float:
        await get(alice, EVENTS, after=cursor, wait=2)
        return time.monotonic() - begun

    seconds = await asyncio.gather(*(poll() for _ in range(10)))

    # Each wait ends up to a fifth earlier.
    assert min(seconds) >= 1.6
    assert max(seconds) - min(seconds) > 0.02


async def test_waiting_polls_of_one_user_are_limited(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    alice = await client_of(aiohttp_client, services, max_polls_per_user=1)
    cursor = (await get(alice, SNAPSHOT))["cursor"]
    poll = asyncio.create_task(get(alice, EVENTS, after=cursor, wait=50))
    await asyncio.sleep(0.1)

    assert (await get(alice, EVENTS, status=429, after=cursor, wait=50))["status"] == 429
    # A poll that does not wait is not limited.
    await get(alice, EVENTS, after=cursor)

    await services.writer.store([entry(1)])
    async with asyncio.timeout(SOON):
        assert (await poll)["events"]


async def test_waiting_polls_of_all_are_limited(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    alice = await client_of(aiohttp_client, services, max_polls=0)

    assert (await get(alice, EVENTS, status=503, after=0, wait=50))["status"] == 503


async def test_stream_goes_on_behind_the_last_event(alice: TestClient, services: Services) -> None:
    await services.writer.store([entry(1)])

    async with alice.get(f"{EVENTS}/stream", params={"after": "0"}) as response:
        first = await next_event(response.content)
        await services.writer.store([entry(2)])
        second = await next_event(response.content)
    headers = {"Last-Event-ID": first["id"]}
    async with alice.get(f"{EVENTS}/stream", params={"after": "0"}, headers=headers) as response:
        again = await next_event(response.content)

    assert (first["event"], json.loads(first["data"])["event_id"]) == ("message", 1)
    assert json.loads(second["data"])["message"]["body"] == "2"
    assert again == second


async def test_stream_ends_with_the_access_token(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    services = with_sign_in(services, lifetime_seconds=1)
    alice = await client_of(aiohttp_client, services)

    async with asyncio.timeout(SOON), alice.get(f"{EVENTS}/stream?after=0") as response:
        while await response.content.readline():
            pass


async def next_event(content: Any) -> dict[str, str]:
    """Return the fields of the next event that has data."""
    async with asyncio.timeout(SOON):
        while True:
            fields: dict[str, str] = {}
            while line := (await content.readline()).decode().strip():
                name, _, value = line.partition(":")
                fields[name] = value.strip()
            if "data" in fields:
                return fields


async def test_nothing_is_entered_for_users_who_read_no_events(services: Services) -> None:
    services.journal.note_roster_push(BOB, [Contact(jid=ALICE)], [])
    services.journal.note_presence(BOB, ContactPresence(jid=f"{ALICE}/a", is_available=True))
    await asyncio.sleep(0.1)

    assert await services.storage.events.owners() == ()
    assert (await services.storage.events.snapshot(BOB)).event_id == 0


async def test_stream_ends_with_the_sign_in(alice: TestClient, services: Services) -> None:
    assert services.sign_ins is not None
    async with asyncio.timeout(SOON), alice.get(f"{EVENTS}/stream?after=0") as response:
        await response.content.readline()
        await services.sign_ins.revoke_all(ALICE)
        while await response.content.readline():
            pass


async def test_stream_ends_with_a_sign_in_that_another_process_revokes(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    alice = await client_of(aiohttp_client, services, stream_heartbeat_seconds=0.2)
    async with asyncio.timeout(SOON), alice.get(f"{EVENTS}/stream?after=0") as response:
        await response.content.readline()
        await services.storage.sign_ins.remove_all(ALICE)
        while await response.content.readline():
            pass


async def test_stream_goes_on_when_another_sign_in_ends(
    alice: TestClient, services: Services
) -> None:
    assert services.sign_ins is not None
    other = await services.sign_ins.sign_in(ALICE, PASSWORD)
    async with alice.get(f"{EVENTS}/stream?after=0") as response:
        await services.sign_ins.revoke(ALICE, other.sign_in.id)
        await services.writer.store([entry("hello")])
        event = await next_event(response.content)
    assert event["event"] == "message"


async def test_poll_that_waits_is_refused_after_the_end_of_the_sign_in(
    alice: TestClient, services: Services
) -> None:
    assert services.sign_ins is not None
    cursor = (await get(alice, SNAPSHOT))["cursor"]
    poll = asyncio.create_task(get(alice, EVENTS, status=401, after=cursor, wait=50))
    await asyncio.sleep(0.1)
    await services.sign_ins.revoke_all(ALICE)
    await services.writer.store([entry("hello")])
    async with asyncio.timeout(SOON):
        assert (await poll)["error"] == "not-authorized"


async def test_streams_of_one_user_are_limited_apart_from_those_of_others(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    limits = {"public": replace(BOTH.public, max_streams=2, max_streams_per_caller=1)}
    alice = await client_of(aiohttp_client, services, **limits)
    assert services.sign_ins is not None
    tokens = await services.sign_ins.sign_in(BOB, PASSWORD)
    headers = {"Authorization": f"Bearer {tokens.access_token}"}
    async with alice.get(f"{EVENTS}/stream?after=0"):
        await get(alice, f"{EVENTS}/stream", status=429, after=0)
        path = f"/api/v1/archives/{BOB}/events/stream?after=0"
        async with alice.get(path, headers=headers) as response:
            assert response.status == 200


async def test_wait_is_at_most_what_is_configured(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    alice = await client_of(aiohttp_client, services, poll_seconds=1)
    async with asyncio.timeout(SOON):
        cursor = (await get(alice, SNAPSHOT))["cursor"]
        page = await get(alice, EVENTS, after=cursor, wait=50)
    assert (page["events"], page["max_wait"]) == ([], 1)
