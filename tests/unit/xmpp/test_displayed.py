"""Displayed markers in copies that mean nothing, and servers that do not give markers."""

from __future__ import annotations

import asyncio
import logging

import pytest
from support.displaying import (
    GET,
    NS_MDS,
    NS_PUBSUB,
    answer,
    caught_up,
    item,
    items_of,
    next_marker_query,
    notified,
    published,
    read_unread,
    stanza_id,
    unread,
)
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB,
    BOB_PHONE,
    FOOTER,
    HOST,
    OTHER_HOST,
    PRIVILEGE_1,
    PRIVILEGE_2,
    Wire,
    chat,
)

from component.xmpp.copies.displayed import DisplayedQueries

ROOM = f"room@conference.{HOST}"


async def received(wire: Wire, count: int = 1) -> list[str]:
    """Have bob send messages to alice; return their ids in her archive."""
    for number in range(count):
        wire.say(f"m{number}", sender=BOB_PHONE, to=ALICE)
    return [message.id for message in await wire.archived(ALICE)]


@pytest.mark.parametrize("to", [None, "ALICE@Example.org"])
async def test_publication_is_to_the_own_account_however_that_is_written(
    wire: Wire, to: str | None
) -> None:
    [id] = await received(wire)
    wire.log_copy(published(item("BOB@example.org", stanza_id(id, "Alice@example.org")), to=to))

    assert await unread(wire) == {BOB: 0}


async def test_id_without_its_origin_is_of_the_archive_or_of_the_room(wire: Wire) -> None:
    """slixmpp 1.17 does not write `by`."""
    [id] = await received(wire)
    wire.log_copy(
        chat(
            "hi",
            sender=f"{ROOM}/bob",
            to=ALICE_PHONE,
            type="groupchat",
            extra=stanza_id("r1", ROOM),
        )
    )
    before = await unread(wire)
    items = (item(BOB, stanza_id(id)), item(ROOM, stanza_id("r1")))
    wire.log_copy(published(*items).replace(f" by='{ALICE}'", ""))

    assert (before, await unread(wire)) == ({ROOM: 1, BOB: 1}, {ROOM: 0, BOB: 0})


FORGERIES = {
    "publication to another account": lambda i: published(i, sender=BOB_PHONE, to=ALICE),
    "publication of another host": lambda i: published(i, sender=f"alice@{OTHER_HOST}/x", to=None),
    "publication without a session": lambda i: published(i, sender=ALICE),
    "catch-up from another account": lambda i: caught_up(i, sender=BOB),
    "catch-up from a session": lambda i: caught_up(i, sender=ALICE_PHONE),
    "notification from another account": lambda i: notified(i, sender=BOB),
    "notification from a session": lambda i: notified(i, sender=ALICE_PHONE),
    "notification by another user": lambda i: notified(i, sender=BOB_PHONE),
    "an error": lambda i: published(i).replace("type='set'", "type='error'"),
    "a question": lambda i: published(i).replace("type='set'", "type='get'"),
    "another node": lambda i: published(i).replace(f"node='{NS_MDS}'", "node='x'"),
    "another payload": lambda i: published(i).replace(f"<pubsub xmlns='{NS_PUBSUB}'", "<pubsub"),
}


@pytest.mark.parametrize("forged", FORGERIES.values(), ids=FORGERIES.keys())
async def test_marker_of_anybody_but_the_owner_is_ignored(wire: Wire, forged) -> None:
    [id] = await received(wire)
    wire.log_copy(forged(item(BOB, stanza_id(id))), is_delivered=False)

    assert await unread(wire) == {BOB: 1}


@pytest.mark.parametrize("chat", ["", f"{BOB}/phone", "x" * 4000 + f"@{HOST}"])
async def test_item_that_names_no_conversation_is_ignored(wire: Wire, chat: str) -> None:
    [id] = await received(wire)
    wire.log_copy(published(item(chat, stanza_id(id))))

    assert await unread(wire) == {BOB: 1}


async def test_items_beside_a_bad_one_count(wire: Wire) -> None:
    ids = await received(wire, 2)
    wire.log_copy(published("<item id='x'/>", item("x@y"), item(BOB, stanza_id(ids[0]))))

    assert await unread(wire) == {BOB: 1}


async def test_user_without_markers_has_no_node(wire: Wire, caplog) -> None:
    await received(wire)
    wire.grant(PRIVILEGE_2, iqs=GET)
    await wire.caught_up()
    reading = asyncio.create_task(read_unread(wire))
    answer(wire, await next_marker_query(wire), condition="item-not-found")

    assert await reading == {BOB: 1}
    assert not [record for record in caplog.records if record.levelno >= logging.INFO]


async def test_refusal_is_remembered_and_logged_once(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    wire.grant(PRIVILEGE_2, iqs=GET)
    await wire.caught_up()
    queries = DisplayedQueries(wire.stream, wire.parts.privileges)
    for user in (ALICE, BOB):
        asking = asyncio.create_task(queries.displayed(user))
        answer(wire, await next_marker_query(wire), condition="forbidden")
        assert await asking == ()

    assert not queries.is_askable(HOST)
    assert [line for line in caplog.messages if "displayed" in line] == [
        f"{HOST} refuses displayed markers: forbidden"
    ]


async def test_host_that_never_answers_is_not_asked_again(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    """24.12 sends the question back, which is no answer."""
    wire.grant(PRIVILEGE_2, iqs=GET)
    await wire.caught_up()
    queries = DisplayedQueries(wire.stream, wire.parts.privileges, timeout=0.05)

    assert await queries.displayed(ALICE) == ()
    assert not queries.is_askable(HOST)
    assert [line for line in caplog.messages if "does not answer" in line] == [
        f"{HOST} does not answer for displayed markers: ejabberd 25.03 can"
    ]


async def test_one_answer_that_is_missing_is_no_refusal_by_a_host_that_answers(wire: Wire) -> None:
    """The answer to a user with very many markers may be too large for us."""
    wire.grant(PRIVILEGE_2, iqs=GET)
    await wire.caught_up()
    queries = DisplayedQueries(wire.stream, wire.parts.privileges, timeout=1)
    asking = asyncio.create_task(queries.displayed(ALICE))
    answer(wire, await next_marker_query(wire), items_of())
    await asking
    await queries.displayed(BOB)

    assert queries.is_askable(HOST)


async def test_refusal_ends_with_the_connection(wire: Wire) -> None:
    wire.grant(PRIVILEGE_2, iqs=GET)
    await wire.caught_up()
    queries = DisplayedQueries(wire.stream, wire.parts.privileges, timeout=0.05)
    await queries.displayed(ALICE)
    wire.peer.send(FOOTER)
    await wire.peer.connection_closed()
    await wire.welcome()
    wire.grant(PRIVILEGE_2, iqs=GET)
    await wire.caught_up()

    assert queries.is_askable(HOST)


async def test_without_a_connection_there_are_no_markers(wire: Wire) -> None:
    wire.peer.send(FOOTER)
    await wire.peer.connection_closed()
    queries = DisplayedQueries(wire.stream, wire.parts.privileges)

    assert (await queries.displayed(ALICE), queries.is_askable(HOST)) == ((), False)


@pytest.mark.parametrize(("version", "lines"), [(PRIVILEGE_1, 0), (PRIVILEGE_2, 1)])
async def test_missing_permission_is_logged_once_where_the_server_may_know_it(
    wire: Wire, caplog: pytest.LogCaptureFixture, version: str, lines: int
) -> None:
    caplog.set_level(logging.INFO)
    wire.grant(version)
    await wire.caught_up()
    queries = DisplayedQueries(wire.stream, wire.parts.privileges)

    assert (queries.is_askable(HOST), queries.is_askable(HOST)) == (False, False)
    logged = [line for line in caplog.messages if "displayed markers" in line]
    assert len(logged) == lines
    assert all(NS_PUBSUB in line for line in logged)
