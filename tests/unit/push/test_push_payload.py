"""Bodies of pushes: what each content reveals, and what is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.builders import ALICE, BOB, entry
from support.http_services import SETTINGS
from unit.push.conftest import Pushed

from component.core.events.reader import EventReader, ReadableEvent
from component.core.events.values import refusal_value, request_value
from component.core.push import payload
from component.core.push.values import Content, EventFilter
from component.web.server.settings import pager_of
from storage.rows import Direction, EntryKind, JournalEntry, Kind, PushKind, PushSubscription

ALL = tuple(EventFilter)
LARGE = 100_000


def subscription(content: Content = Content.TEXT) -> PushSubscription:
    return PushSubscription(
        id="s-1",
        jid=ALICE,
        sign_in="sign-in",
        kind=PushKind.WEBHOOK,
        endpoint="https://example.org/",
        secret=b"secret",
        content=content.value,
        events=("message",),
        created_at=0,
        cursor="before",
    )


def reader_of(pushed: Pushed) -> EventReader:
    services = pushed.services
    return EventReader(
        services.storage,
        services.queue,
        pager_of(SETTINGS, services),
        services.journal,
        services.followers,
    )


async def events_of(pushed: Pushed) -> list[ReadableEvent]:
    """Return one event of each type, each from bob, who says "hello"."""
    services, reader = pushed.services, reader_of(pushed)
    await reader.begin(ALICE)
    xml = (
        f"<message xmlns='jabber:client' from='{BOB}/phone' to='{ALICE}' id='m-1' type='chat'>"
        "<subject>Greeting</subject><body>hello</body></message>"
    )
    await services.writer.store([entry("hello", xml=xml)])
    values = {
        EntryKind.CONTACT: (BOB, '{"name":"Bobby"}'),
        EntryKind.PRESENCE: (f"{BOB}/phone", '{"status":"At lunch"}'),
        EntryKind.DISPLAYED: (BOB, '{"id":"some-id"}'),
        EntryKind.CHANGED: ("some-id", f'{{"peer":"{BOB}"}}'),
        EntryKind.REQUEST: (BOB, request_value("let me see lunch")),
        EntryKind.FAILED: (
            "m-2",
            refusal_value(peer=BOB, is_message=True, condition="gone", text="hello no more"),
        ),
    }
    await services.storage.events.put(
        [
            JournalEntry(owner=ALICE, kind=kind, subject=subject, value=value, at=1)
            for kind, (subject, value) in values.items()
        ]
    )
    return list((await reader.page(ALICE, 0)).events)


def said(event: ReadableEvent, content: Content, max_bytes: int = LARGE) -> dict[str, Any]:
    body = payload.body_of(event, subscription(content), unread=2, max_bytes=max_bytes)
    return json.loads(body)  # type: ignore[no-any-return]


async def test_nothing_reveals_no_address_and_no_text(pushed: Pushed) -> None:
    for event in await events_of(pushed):
        body = said(event, Content.NOTHING)

        assert body["type"] == payload.type_of(event)
        assert body["data"] == {
            "subscription": "s-1",
            "event_id": event.event.event_id,
            "cursor": event.event.cursor,
            "unread": 2,
        }


async def test_sender_reveals_the_address_and_no_text(pushed: Pushed) -> None:
    for event in await events_of(pushed):
        body = said(event, Content.SENDER)

        assert body["data"]["peer"] == BOB
        text = json.dumps(body)
        assert not [word for word in ("hello", "Greeting", "Bobby", "lunch") if word in text]


async def test_text_reveals_the_event(pushed: Pushed) -> None:
    events = {payload.type_of(event): event for event in await events_of(pushed)}
    data = {type: said(event, Content.TEXT)["data"] for type, event in events.items()}

    assert data["message"]["message"] == {
        "id": data["message"]["cursor"],
        "message_id": "m-1",
        "from": f"{BOB}/phone",
        "to": ALICE,
        "subject": "Greeting",
        "body": "hello",
    }
    assert (data["message"]["direction"], data["message"]["kind"]) == ("recv", "message")
    assert data["contact"]["contact"] == {"jid": BOB, "name": "Bobby"}
    assert data["presence"]["presence"] == {
        "jid": f"{BOB}/phone",
        "available": True,
        "status": "At lunch",
    }
    assert data["displayed"]["displayed"] == {"peer": BOB, "id": "some-id"}
    assert data["changed"]["about"] == "some-id"
    assert data["request"]["request"] == {
        "jid": BOB,
        "waits": True,
        "status": "let me see lunch",
    }
    assert data["failed"]["failed"] == {
        "id": "m-2",
        "peer": BOB,
        "type": "message",
        "error": "gone",
        "message": "hello no more",
    }


async def test_event_is_sent_if_a_filter_names_its_type(pushed: Pushed) -> None:
    events = await events_of(pushed)

    for name in [filter.value for filter in EventFilter if filter is not EventFilter.INCOMING]:
        matching = [event for event in events if payload.matches(event, {name})]
        assert [payload.type_of(event) for event in matching] == [name]
    assert all(payload.matches(event, ALL) for event in events)


@pytest.mark.parametrize(
    ("fields", "is_incoming"),
    [
        ({}, True),
        ({"direction": Direction.SENT}, False),
        ({"kind": Kind.ANNOTATION}, False),
        ({"kind": Kind.RECEIPT}, False),
    ],
)
async def test_incoming_messages_are_those_that_count_as_unread(
    pushed: Pushed, fields: dict[str, Any], is_incoming: bool
) -> None:
    services, reader = pushed.services, reader_of(pushed)
    await services.writer.store([entry("hello", **fields)])
    [event] = (await reader.page(ALICE, 0)).events

    assert payload.matches(event, {EventFilter.INCOMING}) is is_incoming
    assert await services.storage.push.unread(ALICE) == int(is_incoming)


async def test_long_text_is_cut_to_fill_the_size(pushed: Pushed) -> None:
    services = pushed.services
    xml = f"<message xmlns='jabber:client' type='chat'><body>{'é' * 100}</body></message>"
    await services.writer.store([entry("long", xml=xml)])
    [event] = (await reader_of(pushed).page(ALICE, 0)).events
    whole = payload.body_of(event, subscription(), unread=2, max_bytes=LARGE)
    # An "é" has two bytes.
    limit = len(whole) + len(',"truncated":true') - 2 * 30

    cut = said(event, Content.TEXT, max_bytes=limit)
    without = said(event, Content.TEXT, max_bytes=len(whole) - 250)

    assert (cut["data"]["message"]["body"], cut["data"]["truncated"]) == ("é" * 70, True)
    assert "message" not in without["data"]
    assert (without["data"]["peer"], without["data"]["truncated"]) == (BOB, True)
