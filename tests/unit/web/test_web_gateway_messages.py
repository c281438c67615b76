"""Messages, the feed and notifications over the REST gateway."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any

import pytest
from pytest_aiohttp import AiohttpClient
from support.archives import Talk, correct, displayed, in_room, react, received, retract
from support.builders import NOON, SECOND, entry
from support.builders import message as stanza
from support.gateway import ALICE, BOB, CAROL, GatewayWorld, OldClient, gateway_world

from component.core.sessions import commands
from component.core.sessions.events import PresenceOf, RosterItem
from component.web.app import make_app
from component.web.server.settings import Listener, Services
from storage.rows import Direction

FRIENDS = (
    RosterItem(jid=BOB, name="Bob", subscription="both"),
    RosterItem(jid=CAROL, name="Carol", subscription="to"),
)
ASKS = "<request xmlns='urn:xmpp:receipts'/>"
SOON = 30.0


async def client_of(aiohttp_client: AiohttpClient, world: GatewayWorld) -> OldClient:
    http = await aiohttp_client(make_app(world.web, world.services, Listener.PUBLIC))
    client = OldClient(http)
    await client.start()
    await client.get("/contacts")
    return client


async def make_world(services: Services, **options: Any) -> GatewayWorld:
    world = await gateway_world(services, **options)
    await world.befriend(*FRIENDS)
    return world


@pytest.fixture
async def world(services: Services) -> GatewayWorld:
    return await make_world(services)


@pytest.fixture
async def alice(aiohttp_client: AiohttpClient, world: GatewayWorld) -> OldClient:
    """A client of alice, who has two contacts: events 1 and 2."""
    return await client_of(aiohttp_client, world)


@pytest.fixture
def talk(services: Services) -> Talk:
    return Talk(services.writer)


def to_alice(body: str | None, id: str, extra: str = "", sender: str = f"{BOB}/phone") -> str:
    return stanza(body, sender=sender, to=ALICE, id=id, extra=extra)


def to_bob(body: str | None, id: str, extra: str = "") -> str:
    return stanza(body, sender=f"{ALICE}/desk", to=BOB, id=id, extra=extra)


async def texts(client: OldClient, path: str = "/messages", **query: Any) -> list[str]:
    return [item["text"] for item in (await client.get(path, **query))["messages"]]


async def test_message_has_all_keys(alice: OldClient, talk: Talk) -> None:
    contact = (await alice.contact(BOB))["id"]
    await talk.take(to_alice("Hello", "m-1", ASKS), to_bob("Hi", "m-2"))

    answer = await alice.get("/messages")

    assert answer == {
        "messages": [
            {
                "event_id": 3,
                "inbound": True,
                "text": "Hello",
                "timestamp": NOON / 1e6,
                "contact_id": contact,
                "message_id": "m-1",
                "delivered": True,
                "delivery_receipt_asked": True,
            },
            {
                "event_id": 4,
                "inbound": False,
                "text": "Hi",
                "timestamp": (NOON + SECOND) / 1e6,
                "contact_id": contact,
                "message_id": "m-2",
                "delivered": False,
                "delivery_receipt_asked": False,
            },
        ],
        "offset": 4,
        "more": False,
    }


async def test_offset_is_exclusive_and_the_first_event_can_be_read(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    """Messages from before the first session are the first events."""
    await services.writer.store([entry(n) for n in range(3)])
    alice = await client_of(aiohttp_client, await make_world(services))

    assert await texts(alice) == ["0", "1", "2"]
    assert await texts(alice, offset=0) == ["0", "1", "2"]
    assert await texts(alice, offset=1) == ["1", "2"]
    assert await texts(alice, offset=3) == []
    assert (await alice.get("/messages", offset=3))["offset"] == 5


async def test_message_without_id_has_a_number(alice: OldClient, services: Services) -> None:
    await services.writer.store([entry(1)])

    [message] = (await alice.get("/messages"))["messages"]

    assert message["message_id"] == message["event_id"] == 3


async def test_changed_message_is_shown_again(alice: OldClient, talk: Talk) -> None:
    await talk.take(to_bob("Helo", "m-1", ASKS))
    before = (await alice.get("/messages"))["messages"][0]
    assert not before["delivered"]

    async def shown(*stanzas: str, offset: int) -> list[tuple[int, str, bool]]:
        await talk.take(*stanzas)
        messages = (await alice.get("/messages", offset=offset))["messages"]
        assert {item["message_id"] for item in messages} <= {"m-1"}
        return [(item["event_id"], item["text"], item["delivered"]) for item in messages]

    assert await shown(to_alice(None, "r", received("m-1")), offset=3) == [(4, "Helo", True)]
    assert await shown(to_bob("Hello", "c", correct("m-1")), offset=4) == [(5, "Hello", True)]
    assert await shown(to_alice(None, "e", react("m-1", "♥")), offset=5) == []
    assert await shown(to_bob(None, "b", retract("m-1")), offset=6) == [(7, "", False)]
    # From the beginning it is there once.
    assert await shown(offset=0) == [(7, "", False)]


async def test_messages_of_strangers_rooms_and_without_text_are_not_shown(
    alice: OldClient, talk: Talk
) -> None:
    await talk.take(
        to_alice("spam", "s", sender="x@elsewhere.example/a"),
        in_room("bob", "in the room", "r"),
        to_alice(None, "d", displayed("none")),
        to_alice("shown", "m"),
        in_room("bob", "last", "r2"),
    )

    answer = await alice.get("/messages")

    assert [item["text"] for item in answer["messages"]] == ["shown"]
    assert not answer["more"]
    assert answer["offset"] > answer["messages"][0]["event_id"]


async def test_messages_of_one_contact(alice: OldClient, talk: Talk) -> None:
    await talk.take(
        to_alice("from bob", "1"),
        to_alice("from carol", "2", sender=f"{CAROL}/a"),
        to_bob("to bob", "3"),
    )
    bob, carol = (await alice.contact(BOB))["id"], (await alice.contact(CAROL))["id"]

    assert await texts(alice, f"/contacts/{bob}/messages") == ["from bob", "to bob"]
    assert await texts(alice, f"/contacts/{bob}/messages", offset=3) == ["to bob"]
    assert await texts(alice, f"/contacts/{carol}/messages") == ["from carol"]
    unknown = await alice.get("/contacts/unknown/messages", offset=4)
    assert unknown == {"messages": [], "offset": 4, "more": False}


@pytest.mark.parametrize("knows_more", [True, False])
@pytest.mark.parametrize("path", ["/messages", "/feed"])
async def test_program_pages_through_all_messages(
    aiohttp_client: AiohttpClient, services: Services, path: str, knows_more: bool
) -> None:
    """A program that does not know `more` goes on with the greatest event id that it has seen."""
    await services.writer.store([entry(n) for n in range(10)])
    world = await make_world(services, page_max=4)
    alice = await client_of(aiohttp_client, world)
    await services.writer.store([entry(n) for n in range(10, 15)])
    offset, found, sizes, contacts = 0, [], [], []

    while True:
        answer = await alice.get(path, offset=offset)
        found += [int(item["text"]) for item in answer["messages"]]
        sizes.append(len(answer["messages"]))
        contacts += [item["jid"] for item in answer.get("contacts", ())]
        ids = [item["event_id"] for item in answer["messages"] + answer.get("contacts", [])]
        if not ids or not (answer["more"] or not knows_more):
            break
        offset = answer["offset"] if knows_more else max(ids)

    assert found == list(range(15))
    assert max(sizes) == 4
    assert sorted(contacts) == ([BOB, CAROL] if path == "/feed" else [])


async def test_limit_is_at_most_the_configured_one(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    await services.writer.store([entry(n) for n in range(4)])
    alice = await client_of(aiohttp_client, await make_world(services, page_max=3))

    assert await texts(alice, limit=2) == ["0", "1"]
    assert await texts(alice, limit=10) == ["0", "1", "2"]
    for limit in ("0", "x", "-1"):
        answer = await alice.get("/messages", 400, limit=limit)
        assert answer["error"]["text"] == "Parameter has wrong value: limit"


async def test_events_that_the_journal_has_forgotten_hide_no_message(
    alice: OldClient, services: Services
) -> None:
    await services.writer.store([entry(1)])
    past = replace(
        (await services.storage.events.snapshot(ALICE)).entries[0],
        subject="old@example.org",
        at=NOON,
    )
    await services.storage.events.put([past])
    await services.storage.events.put([replace(past, value="")])
    await services.storage.events.put([replace(past, subject="new@example.org", at=past.at * 2)])

    assert await texts(alice) == ["1"]


async def test_sent_message_is_echoed_as_it_is_listed(
    alice: OldClient, world: GatewayWorld
) -> None:
    id = (await alice.contact(BOB))["id"]
    path = f"/contacts/{id}/messages"

    answer = await alice.call("POST", path, json={"messages": {"text": "Hello\nBob"}})

    [message] = answer["messages"]
    assert answer == {"messages": [message]}
    assert (message["inbound"], message["text"], message["contact_id"]) == (
        False,
        "Hello\nBob",
        id,
    )
    assert message["delivery_receipt_asked"]
    assert not message["delivered"]
    assert (await alice.get(path))["messages"] == [message]
    [(owner, outgoing)] = world.server.sent
    assert (owner, outgoing.to, outgoing.id) == (ALICE, BOB, message["message_id"])


async def test_repeated_id_sends_once(alice: OldClient, world: GatewayWorld) -> None:
    path = f"/contacts/{(await alice.contact(BOB))['id']}/messages"
    body = {"messages": {"text": "once", "id": "m-1"}}

    first = await alice.call("POST", path, json=body)

    assert await alice.call("POST", path, json=body) == first
    assert len(world.server.sent) == 1
    assert first["messages"][0]["message_id"] == "m-1"


async def test_message_that_is_not_archived_is_echoed(
    alice: OldClient, world: GatewayWorld
) -> None:
    world.server.archives = False
    path = f"/contacts/{(await alice.contact(BOB))['id']}/messages"

    answer = await alice.call("POST", path, json={"messages": {"text": "gone"}})

    assert answer["messages"][0]["text"] == "gone"
    assert await texts(alice) == []


@pytest.mark.parametrize(
    "body",
    [{}, {"messages": []}, {"messages": [{"text": "x"}]}, {"messages": {}}]
    + [{"messages": {"text": text}} for text in ("", 1, None, "\0", "x" * 70_000)]
    + [{"messages": {"text": "x", "id": "a b"}}],
)
async def test_wrong_message_is_400(alice: OldClient, world: GatewayWorld, body: Any) -> None:
    path = f"/contacts/{(await alice.contact(BOB))['id']}/messages"

    answer = await alice.call("POST", path, 400, body)

    assert answer["error"]["code"] == "XMPPServiceParametersError"
    assert not world.server.sent


async def test_message_to_an_unknown_contact_is_404(alice: OldClient) -> None:
    answer = await alice.call("POST", "/contacts/x/messages", 404, {"messages": {"text": "x"}})

    assert answer["error"]["code"] == "XMPPContactError"


@pytest.mark.parametrize(
    ("condition", "status", "code"),
    [("service-unavailable", 404, "XMPPSendError"), ("forbidden", 404, "XMPPSendError")],
)
async def test_refused_message_is_an_error(
    alice: OldClient, world: GatewayWorld, condition: str, status: int, code: str
) -> None:
    world.server.condition = condition
    path = f"/contacts/{(await alice.contact(BOB))['id']}/messages"

    answer = await alice.call("POST", path, status, {"messages": {"text": "x"}})

    assert answer["error"]["code"] == code
    assert answer["error"]["text"] == f"Message sending failed: {BOB}: Not here."


def acknowledged(world: GatewayWorld) -> list[commands.Command]:
    sent = world.sessions.open[ALICE].sent
    return [command for command in sent if isinstance(command, commands.SendReceipt)]


async def test_reading_acknowledges_once(
    aiohttp_client: AiohttpClient, alice: OldClient, world: GatewayWorld, talk: Talk
) -> None:
    await talk.take(
        to_alice("asks", "m-1", ASKS),
        to_alice("asks not", "m-2"),
        to_alice("may not know", "m-3", ASKS, sender=f"{CAROL}/a"),
        to_bob("own", "m-4", ASKS),
    )
    assert acknowledged(world) == []
    await alice.get("/contacts")
    assert acknowledged(world) == []

    for path in ("/messages", "/feed", "/messages"):
        await alice.get(path)

    receipt = commands.SendReceipt(f"{BOB}/phone", "m-1")
    assert acknowledged(world) == [receipt]

    # After a restart the archive knows that it was sent.
    await talk.take(to_bob(None, "r-1", received("m-1")))
    again = world.restarted()
    alice.http = await aiohttp_client(make_app(again.web, again.services, Listener.PUBLIC))
    assert len(await texts(alice)) == 4
    assert acknowledged(again) == []


async def test_receipt_is_due_until_there_is_a_connection(
    alice: OldClient, world: GatewayWorld, talk: Talk
) -> None:
    await talk.take(to_alice("asks", "m-1", ASKS))
    world.sessions.accepts = False
    world.sessions.close_session(ALICE)
    await alice.get("/messages")
    assert acknowledged(world) == []

    world.sessions.accepts = True
    world.sessions.close_session(ALICE)
    await alice.get("/messages")

    assert acknowledged(world) == [commands.SendReceipt(f"{BOB}/phone", "m-1")]


async def test_feed_has_contacts_and_messages_behind_an_offset(
    alice: OldClient, world: GatewayWorld, talk: Talk
) -> None:
    await talk.take(to_alice("Hello", "1"))
    feed = await alice.get("/feed")
    assert [item["jid"] for item in feed["contacts"]] == [BOB, CAROL]
    assert [item["text"] for item in feed["messages"]] == ["Hello"]
    assert (feed["offset"], feed["more"]) == (3, False)

    world.sessions.open[ALICE].report(PresenceOf(jid=f"{CAROL}/a"))
    feed = await alice.get("/feed", offset=3)

    assert [item["jid"] for item in feed["contacts"]] == [CAROL]
    assert (feed["messages"], feed["offset"]) == ([], 4)
    empty = {"contacts": [], "messages": [], "offset": 4, "more": False}
    for wait in ("", "0", "false", "False", "no"):
        assert await alice.get("/feed", offset=4, wait=wait) == empty


@pytest.mark.parametrize("wait", ["1", "true", "yes"])
async def test_feed_waits_for_what_happens(alice: OldClient, talk: Talk, wait: str) -> None:
    # Two devices do not take events from each other.
    polls = [asyncio.create_task(alice.get("/feed", offset=2, wait=wait)) for _ in range(2)]
    await asyncio.sleep(0.2)
    assert not any(poll.done() for poll in polls)

    await talk.take(to_alice("Hello", "1"))

    async with asyncio.timeout(SOON):
        first, second = await asyncio.gather(*polls)
    assert first == second
    assert [item["text"] for item in first["messages"]] == ["Hello"]


@pytest.mark.parametrize("path", ["/feed", "/notification"])
async def test_poll_of_a_session_that_is_revoked_meanwhile_reads_nothing(
    alice: OldClient, world: GatewayWorld, talk: Talk, path: str
) -> None:
    poll = asyncio.create_task(alice.get(path, 404, offset=2, wait="1"))
    await asyncio.sleep(0.2)
    assert not poll.done()
    assert world.services.sign_ins is not None
    await world.services.sign_ins.revoke(ALICE, alice.session_id)

    await talk.take(to_alice("Hello", "1", ASKS))

    async with asyncio.timeout(SOON):
        assert (await poll)["error"]["code"] == "XMPPSessionError"
    assert acknowledged(world) == []


async def test_feed_does_not_end_for_events_that_it_does_not_show(
    alice: OldClient, talk: Talk
) -> None:
    poll = asyncio.create_task(alice.get("/feed", offset=2, wait="1"))
    await asyncio.sleep(0.1)
    await talk.take(in_room("bob", "in the room", "r"), to_alice(None, "d", displayed("x")))
    await asyncio.sleep(0.2)
    assert not poll.done()

    await talk.take(to_alice("Hello", "1"))

    async with asyncio.timeout(SOON):
        assert [item["text"] for item in (await poll)["messages"]] == ["Hello"]


async def test_poll_ends_after_the_configured_time(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    alice = await client_of(aiohttp_client, await make_world(services, poll_seconds=0.2))

    async with asyncio.timeout(SOON):
        feed = await alice.get("/feed", offset=2, wait="1")

    assert feed == {"contacts": [], "messages": [], "offset": 2, "more": False}


async def test_notification_tells_what_came_since_the_last_one(
    alice: OldClient, world: GatewayWorld, talk: Talk
) -> None:
    told = {"session": {"session_id": alice.session_id}}
    poll = asyncio.create_task(alice.get("/notification"))
    await asyncio.sleep(0.2)
    assert not poll.done()
    await talk.take(to_alice("Hello", "1"))
    async with asyncio.timeout(SOON):
        assert await poll == told

        # This one comes between two requests.
        world.sessions.open[ALICE].report(PresenceOf(jid=f"{BOB}/a"))
        assert await alice.get("/notification") == told
        # Reading the feed meanwhile hides nothing.
        await talk.take(to_alice("again", "2"))
        await alice.get("/feed")
        assert await alice.get("/notification") == told
        place = (await alice.get("/feed"))["offset"]
        assert await alice.get("/notification", offset=place - 1) == told


async def test_each_session_gets_its_notifications(alice: OldClient, talk: Talk) -> None:
    other = OldClient(alice.http)
    await other.start()
    await talk.take(to_alice("Hello", "1"))

    async with asyncio.timeout(SOON):
        for client in (alice, other):
            assert await client.get("/notification") == {
                "session": {"session_id": client.session_id}
            }


async def test_first_notification_after_a_restart_is_answered_at_once(
    aiohttp_client: AiohttpClient, world: GatewayWorld, alice: OldClient
) -> None:
    again = world.restarted()
    alice.http = await aiohttp_client(make_app(again.web, again.services, Listener.PUBLIC))

    async with asyncio.timeout(SOON):
        await alice.get("/notification")
    poll = asyncio.create_task(alice.get("/notification"))
    await asyncio.sleep(0.2)
    assert not poll.done()
    poll.cancel()


@pytest.mark.parametrize("status", [200, 204, 404])
async def test_notification_without_news_has_the_configured_status(
    aiohttp_client: AiohttpClient, services: Services, status: int
) -> None:
    world = await make_world(services, poll_seconds=0.1, unchanged_status=status)
    alice = await client_of(aiohttp_client, world)

    response = await alice.http.get(
        f"/sessions/{alice.session_id}/notification",
        headers={"Authorization": f"Bearer {alice.token}"},
    )

    assert response.status == status
    text = await response.text()
    assert re.match({200: r'{"session":', 204: "$", 404: r'{"error":'}[status], text)


async def test_waiting_polls_of_a_user_are_bounded(alice: OldClient) -> None:
    polls = [asyncio.create_task(alice.get("/feed", offset=2, wait="1")) for _ in range(20)]
    await asyncio.sleep(0.5)

    answer = await alice.get("/feed", 429, offset=2, wait="1")

    assert answer["error"]["code"] == "resource-constraint"
    for poll in polls:
        poll.cancel()


async def test_offsets_may_be_timestamps(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    world = await make_world(services, offsets="timestamp", page_max=2)
    alice = await client_of(aiohttp_client, world)
    await services.writer.store(
        [entry(n, at=NOON + n * SECOND + 123_456, direction=Direction.SENT) for n in range(5)]
    )

    async def page(offset: float | str) -> dict[str, Any]:
        return await alice.get("/messages", offset=offset)  # type: ignore[no-any-return]

    first = await page("")
    assert [item["text"] for item in first["messages"]] == ["0", "1"]
    assert first["more"]
    # Strictly greater, to the microsecond.
    second = await page(first["messages"][-1]["timestamp"])
    assert second == await page(first["offset"])
    assert [item["text"] for item in second["messages"]] == ["2", "3"]
    third = await page(second["offset"])
    assert [item["text"] for item in third["messages"]] == ["4"]
    assert not third["more"]
    assert (await page(third["offset"]))["messages"] == []

    # Contacts changed now, long after these messages.
    feed = await alice.get("/feed", offset=third["offset"])
    assert {item["jid"] for item in feed["contacts"]} == {BOB, CAROL}
    after = await alice.get("/feed", offset=max(item["timestamp"] for item in feed["contacts"]))
    assert after["contacts"] == []


CALL = "<propose xmlns='urn:xmpp:jingle-message:0' id='call'/>"


@pytest.mark.parametrize("offsets", ["event_id", "timestamp"])
async def test_page_of_calls_without_text_does_not_stop_a_program(
    aiohttp_client: AiohttpClient, services: Services, talk: Talk, offsets: str
) -> None:
    world = await make_world(services, offsets=offsets, page_max=2)
    alice = await client_of(aiohttp_client, world)
    await talk.take(*(to_alice(None, f"call-{number}", CALL) for number in range(5)))
    await talk.take(to_alice("Where are you?", "text"))

    assert await texts(alice) == ["Where are you?"]
    assert await texts(alice, "/feed", wait="yes") == ["Where are you?"]


async def test_strangers_do_not_stop_a_program(
    aiohttp_client: AiohttpClient, services: Services, talk: Talk
) -> None:
    """A program that does not know `more` sees the message of a contact behind many of others."""
    world = await make_world(services, page_max=1)
    alice = await client_of(aiohttp_client, world)
    spam = (to_alice("Buy", f"s-{n}", sender=f"s{n}@elsewhere.example/x") for n in range(30))
    await talk.take(*spam, to_alice("Hello", "m-1"))

    assert await texts(alice) == ["Hello"]


async def test_feed_of_timestamps_loses_no_message_to_a_newer_contact(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    world = await make_world(services, offsets="timestamp", page_max=2)
    alice = await client_of(aiohttp_client, world)
    await services.writer.store([entry(n, at=NOON + n * SECOND) for n in range(5)])
    offset, found = 0.0, []

    for _ in range(5):
        feed = await alice.get("/feed", offset=offset)
        found += [item["text"] for item in feed["messages"]]
        offset = max(
            (item["timestamp"] for item in feed["messages"] + feed["contacts"]), default=offset
        )

    assert found == ["0", "1", "2", "3", "4"]


async def test_erased_archive_is_read_from_its_beginning(
    aiohttp_client: AiohttpClient, world: GatewayWorld, alice: OldClient, services: Services
) -> None:
    await services.writer.store([entry(n) for n in range(5)])
    before = (await alice.get("/feed"))["offset"]
    done = False
    while not done:
        done = (await services.storage.retention.erase(ALICE, limit=100)).done
    services.journal.forget(ALICE)
    await services.writer.store([entry("new")])

    assert await texts(alice, offset=before + 10) == ["new"]
    assert (await alice.contact(BOB))["name"] == "Bob"
