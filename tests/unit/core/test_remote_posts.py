"""A posted message becomes one row with its owner, peer, direction and type."""

from __future__ import annotations

from typing import Any

import pytest

from component.core.errors import BadRequest
from component.core.remote_data.posts import Post, body_of, new_message_of
from component.core.xml.stanza import parse
from component.xmpp.connection.addresses import Addresses
from storage.rows import Direction, NewMessage

HOST = "example.org"
ROOM = "room@conference.example.org"

SENT, RECEIVED = Direction.SENT, Direction.RECEIVED


def entry(xml: str | None = None, **fields: Any) -> NewMessage:
    defaults = {"username": "alice", "timestamp": "1970-01-01T00:00:01Z"}
    return new_message_of(Post(**defaults | fields, xml=xml), HOST, Addresses())


def addressed(sender: str, recipient: str, type: str = "chat") -> str:
    return (
        f"<message xmlns='jabber:client' type='{type}' from='{sender}' to='{recipient}'>"
        "<body>x</body></message>"
    )


@pytest.mark.parametrize(
    ("sender", "recipient", "direction", "peer", "resource"),
    [
        ("alice@example.org/pc", "bob@example.net/x", SENT, "bob@example.net", "x"),
        ("bob@example.net/x", "alice@example.org/pc", RECEIVED, "bob@example.net", "x"),
        ("Bob@EXAMPLE.net/X", "alice@example.org", RECEIVED, "bob@example.net", "X"),
        ("example.org", "alice@example.org", RECEIVED, "example.org", ""),
        ("alice@example.org/pc", "alice@example.org", SENT, "alice@example.org", ""),
        ("alice@example.org/pc", "room@muc.example/nick", SENT, "room@muc.example", "nick"),
    ],
)
def test_addresses_of_the_stanza_decide_direction_and_peer(
    sender: str, recipient: str, direction: Direction, peer: str, resource: str
) -> None:
    row = entry(addressed(sender, recipient), peer="wrong")

    assert (row.direction, row.peer, row.resource) == (direction, peer, resource)


def test_direction_of_the_stanza_overrides_that_of_the_request() -> None:
    row = entry(addressed("alice@example.org", "bob@example.org"), direction=RECEIVED)

    assert (row.direction, row.peer) == (SENT, "bob@example.org")


def test_direction_of_the_request_counts_if_the_stanza_has_none() -> None:
    row = entry("<message><body>x</body></message>", direction=SENT, peer="bob")

    assert (row.direction, row.peer) == (SENT, "bob@example.org")


def test_message_to_oneself_has_the_direction_of_the_request() -> None:
    own = addressed("alice@example.org/pc", "alice@example.org/phone")

    assert entry(own, direction=RECEIVED).resource == "pc"
    assert entry(own, direction=SENT).resource == "phone"


@pytest.mark.parametrize(
    ("type", "xml_type", "row_type"),
    [
        (None, "chat", "chat"),
        (None, "normal", "normal"),
        ("chat", "normal", "normal"),
        ("chat", "headline", "headline"),
        ("chat", "groupchat", "chat"),
        ("chat", "error", "chat"),
    ],
)
def test_type_of_the_stanza_counts_if_a_user_can_receive_it(
    type: str | None, xml_type: str, row_type: str
) -> None:
    row = entry(addressed("bob@example.org", "alice@example.org", xml_type), type=type)

    assert (row.owner, row.type) == ("alice@example.org", row_type)


@pytest.mark.parametrize("username", [ROOM, "room", "ROOM"])
@pytest.mark.parametrize("type", ["groupchat", None])
def test_post_of_type_groupchat_to_a_room_is_in_the_archive_of_the_room(
    username: str, type: str | None
) -> None:
    xml = addressed(f"{ROOM}/Nick", "alice@example.org", "groupchat")

    row = entry(xml, username=username, type=type, peer="bob")

    assert (row.owner, row.type, row.direction) == (ROOM, "groupchat", RECEIVED)
    assert (row.peer, row.resource, row.nick) == ("bob@example.org", "Nick", "Nick")


def test_room_on_another_domain_is_accepted() -> None:
    xml = addressed("room@muc.example/Nick", "alice@example.org", "groupchat")

    row = entry(xml, username="room@muc.example", type="groupchat")

    assert (row.owner, row.peer) == ("room@muc.example", "room@muc.example")


def test_real_address_of_an_occupant_is_stored_if_known() -> None:
    xml = addressed("bob@example.net/pc", ROOM, "groupchat")

    row = entry(xml, username=ROOM, type="groupchat", peer="bob", nick="Nick")

    assert (row.peer, row.resource, row.nick) == ("bob@example.net", "pc", "Nick")


def test_text_from_a_room_becomes_a_stanza_of_its_occupant() -> None:
    row = entry(
        username=ROOM, type="groupchat", peer="bob", nick="<'\">", body="x", direction=RECEIVED
    )

    stanza = parse(row.xml)
    assert (stanza.sender, stanza.type, stanza.body) == (f"{ROOM}/<'\">", "groupchat", "x")


@pytest.mark.parametrize(
    "changed",
    [
        {"timestamp": "1970-01-01T00:00:01.000001Z"},
        {"peer": "carol"},
        {"peer": "bob@example.net"},
        {"direction": RECEIVED},
        {"body": "y"},
    ],
)
def test_deduplication_key_is_the_same_for_the_same_message_only(changed: dict[str, Any]) -> None:
    fields = {"peer": "bob", "direction": SENT, "body": "x"}

    assert entry(**fields).dedup_key == entry(**fields, nick="n").dedup_key
    assert entry(**fields).dedup_key == entry(**fields | {"peer": "BOB@example.org"}).dedup_key
    assert entry(**fields).dedup_key != entry(**fields | changed).dedup_key


def test_time_of_a_row_is_in_microseconds() -> None:
    row = entry(
        addressed("bob@example.org", "alice@example.org"), timestamp="1970-01-01T00:00:01.5Z"
    )

    assert row.at == 1_500_000


@pytest.mark.parametrize(
    "username", ["alice@example.net", "alice@example.org/pc", "@example.org", "a/b", "a b", "\x00"]
)
def test_invalid_username_is_bad_request(username: str) -> None:
    with pytest.raises(BadRequest, match=r"^username: "):
        entry(addressed("bob@example.org", "alice@example.org"), username=username)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<body>hello</body>", "hello"),
        ("<x xmlns='urn:x'/><body>hello</body>", "hello"),
        ("<body>hello</body><x xmlns='urn:x'/>", "hello"),
        (
            "<body>&lt;&amp;&gt; &quot;it&apos;s&quot; &amp;lt; \U0001f600</body>",
            '<&> "it\'s" &lt; \U0001f600',
        ),
        ("<body>one&#13;two&#x1F600;</body>", "one\rtwo\U0001f600"),
        ("<body>one\r\ntwo</body>", "one\ntwo"),
        ("<body><![CDATA[</body></message>]]></body>", "</body></message>"),
        ("<body>first</body><body>second</body>", "first"),
        ("<body xml:lang='en'>first</body><body>second</body>", "first"),
        ("<x xmlns='urn:x'><body>inner</body></x><body>own</body>", "own"),
        ("<x xmlns='urn:x'><body>inner</body></x>", None),
        ("<x xmlns='urn:x'><message><body>inner</body></message></x>", None),
        ("<body xmlns='urn:x'>foreign</body>", None),
        ("<body/>", ""),
        ("<body></body>", ""),
        ("", None),
    ],
)
@pytest.mark.parametrize("namespace", [" xmlns='jabber:client'", ""])
def test_body_of_a_message_is_its_first_own_body(
    content: str, text: str | None, namespace: str
) -> None:
    assert body_of(f"<message{namespace}>{content}</message>") == text
