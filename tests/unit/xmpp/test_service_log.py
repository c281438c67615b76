"""Copies from mod_service_log: accepted senders and archived stanzas."""

from __future__ import annotations

import pytest
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB,
    BOB_PHONE,
    COMPONENT,
    HOST,
    NS_CLIENT,
    NS_FORWARD,
    OTHER_HOST,
    Wire,
    chat,
    copy_of,
)

STRANGERS = {
    "a user": ALICE_PHONE,
    "a bare user": ALICE,
    "a host's resource": f"{HOST}/x",
    "a user named as a host": f"{HOST}@evil.example",
    "another server": "evil.example",
    "a parent domain": "org",
    "a subdomain": f"conference.{HOST}",
    "the component": COMPONENT,
    "a lookalike": "ex\u0430mple.org",
}


def forwarded(inner: str) -> str:
    return (
        f"<message from='{HOST}' to='{COMPONENT}' id='9'>"
        f"<forwarded xmlns='{NS_FORWARD}'>{inner}</forwarded></message>"
    )


async def test_copy_from_a_virtual_host_is_archived(wire: Wire) -> None:
    wire.log_copy(chat("hello"), host=HOST)

    assert await wire.bodies(ALICE) == ["hello"]


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS.keys())
async def test_copy_from_anybody_else_is_dropped(wire: Wire, stranger: str) -> None:
    wire.peer.send(copy_of(chat("forged"), host=stranger))

    assert await wire.bodies(ALICE) == []


async def test_copy_from_another_server_is_dropped_for_its_own_users(wire: Wire) -> None:
    """Another server can send messages, but cannot copy them into archives."""
    forged = chat("forged", sender="mallory@evil.example/x", to=ALICE)
    wire.peer.send(copy_of(forged, host="evil.example"))

    assert await wire.bodies(ALICE) == []


async def test_copy_without_a_sender_is_dropped(wire: Wire) -> None:
    wire.peer.send(copy_of(chat("forged")).replace(f" from='{HOST}'", "", 1))

    assert await wire.bodies(ALICE) == []


async def test_host_cannot_log_for_the_users_of_another_host(wire: Wire) -> None:
    wire.log_copy(chat("forged"), host=OTHER_HOST)

    assert await wire.bodies(ALICE) == []


async def test_copy_between_strangers_is_not_archived(wire: Wire) -> None:
    wire.log_copy(chat("hello", sender="a@b.example/x", to="c@d.example"))

    assert await wire.bodies("c@d.example") == []


async def test_message_between_two_hosts_is_in_both_archives(wire: Wire) -> None:
    carol = f"carol@{OTHER_HOST}"
    wire.log_copy(chat("hello", to=carol), host=HOST)

    assert (await wire.bodies(ALICE), await wire.bodies(carol)) == (["hello"], ["hello"])


async def test_message_from_elsewhere_is_archived_for_the_recipient(wire: Wire) -> None:
    wire.log_copy(chat("hello", sender="romeo@remote.example/x", to=BOB_PHONE))

    assert await wire.bodies(BOB) == ["hello"]


@pytest.mark.parametrize(
    "inner",
    [
        f"<iq xmlns='{NS_CLIENT}' type='set' id='1' from='{ALICE_PHONE}' to='{BOB}'>"
        "<body>hello</body></iq>",
        f"<presence xmlns='{NS_CLIENT}' from='{ALICE_PHONE}' to='{BOB}'><body>x</body></presence>",
        f"<message xmlns='jabber:server' from='{ALICE_PHONE}' to='{BOB}'><body>x</body></message>",
        f"<message from='{ALICE_PHONE}' to='{BOB}'><body>x</body></message>",
        "",
        "text",
    ],
    ids=["iq", "presence", "server namespace", "inherited namespace", "empty", "text"],
)
async def test_copy_of_another_stanza_is_not_archived(wire: Wire, inner: str) -> None:
    wire.peer.send(forwarded(inner))

    assert await wire.bodies(ALICE) == []


async def test_message_without_forwarded_is_not_a_copy(wire: Wire) -> None:
    wire.peer.send(
        chat("hello")
        .replace("<message", f"<message from='{HOST}'", 1)
        .replace(f' from="{ALICE_PHONE}"', "", 1)
        .replace(f"xmlns='{NS_CLIENT}'", "")
    )

    assert await wire.bodies(ALICE) == []


async def test_user_cannot_forge_history_by_forwarding_to_the_component(wire: Wire) -> None:
    wire.peer.send(copy_of(chat("forged", sender=BOB_PHONE, to=ALICE), host=ALICE_PHONE))

    assert await wire.bodies(BOB) == []


async def test_message_forwarded_between_users_is_not_archived_by_itself(
    wire: Wire,
) -> None:
    inside = chat("forged", sender=BOB_PHONE, to="carol@example.org", id="f")
    extra = f"<forwarded xmlns='{NS_FORWARD}'>{inside}</forwarded>"
    wire.log_copy(chat("look", extra=extra))

    assert await wire.bodies("carol@example.org") == []


async def test_only_the_first_forwarded_stanza_counts(wire: Wire) -> None:
    wire.peer.send(forwarded(chat("first", id="1") + chat("second", id="2")))

    assert await wire.bodies(ALICE) == ["first"]


async def test_copies_of_one_message_are_archived_once(wire: Wire) -> None:
    for _ in range(4):
        wire.log_copy(chat("hello"))

    assert await wire.bodies(BOB) == ["hello"]


async def test_recipient_in_capitals_is_the_same_user(wire: Wire) -> None:
    wire.log_copy(chat("hello", to="BOB@Example.ORG"))

    assert await wire.bodies(BOB) == ["hello"]


async def test_peer_in_capitals_is_found_by_its_prepared_jid(wire: Wire) -> None:
    wire.log_copy(chat("hello", to="BOB@Example.ORG"))

    assert (await wire.history(with_=BOB)).bodies == ["hello"]


async def test_stanza_is_stored_as_it_was_written(wire: Wire) -> None:
    stanza = chat("hello", to="BOB@Example.ORG", extra="<x  xmlns='urn:x' a=\"1\"/>")
    wire.log_copy(stanza)

    [message] = await wire.archived(ALICE)
    assert message.xml == stanza


@pytest.mark.parametrize(
    "odd",
    ["carol@-odd.example", "carol@a..b", "room@conference.example.org/\U0001f600", "@", "a@b@c/"],
)
async def test_message_to_an_odd_address_is_archived(wire: Wire, odd: str) -> None:
    wire.log_copy(chat("hello", to=odd))

    assert await wire.bodies(ALICE) == ["hello"]


async def test_message_without_recipient_is_archived_for_the_sender(wire: Wire) -> None:
    wire.log_copy(chat("hello").replace(f' to="{BOB}"', ""))

    assert await wire.bodies(ALICE) == ["hello"]


async def test_text_of_a_message_never_reaches_the_log(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "component")
    wire.peer.send(copy_of(chat("private words"), host=ALICE_PHONE))
    wire.log_copy(chat("private words"), host=OTHER_HOST)
    wire.log_copy(chat("private words", id="2"))
    await wire.caught_up()

    assert "private words" not in caplog.text
