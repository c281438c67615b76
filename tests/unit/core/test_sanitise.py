"""Forged ids and real JIDs of occupants are removed; every other byte is stored."""

from __future__ import annotations

import pytest
from support.builders import ALICE, BOB, HOST, OTHER_HOST, ROMEO, ROOM, message, stanza

from component.core.archiving.sanitise import for_room, for_user
from component.core.xml.document_parser import parse

HOSTS = frozenset({HOST, OTHER_HOST})
ITEM = "<item affiliation='none' role='participant' jid='witch@remote.example/broom'/>"


def id_by(by: str, ns: str = "urn:xmpp:sid:0", name: str = "stanza-id") -> str:
    return f"<{name} xmlns='{ns}' by='{by}' id='x'/>"


def muc_user(content: str) -> str:
    return f"<x xmlns='http://jabber.org/protocol/muc#user'>{content}</x>"


def stored(extra: str, *, id: str = "m1", type: str = "chat") -> str:
    parsed = stanza(message(extra=extra, id=id, type=type))
    return for_user(parsed, HOSTS).decode()


@pytest.mark.parametrize(
    "by",
    [BOB, ALICE, HOST, f"carol@{OTHER_HOST}", f"{BOB}/phone", BOB.upper(), f"bob@{HOST.upper()}"],
)
@pytest.mark.parametrize(
    ("ns", "name"), [("urn:xmpp:sid:0", "stanza-id"), ("urn:xmpp:mam:tmp", "archived")]
)
def test_stanza_id_by_our_hosts_is_removed(by: str, ns: str, name: str) -> None:
    assert stored(f"<a xmlns='x'/>{id_by(by, ns, name)}<b xmlns='x'/>") == message(
        extra="<a xmlns='x'/><b xmlns='x'/>"
    )


@pytest.mark.parametrize(
    "by",
    [
        f"{ALICE} ",
        f"\u00a0{ALICE}",
        f"&#9;{ALICE}&#10;",
        f"{ALICE}.",
        f"{ALICE}./phone",
        "".join(chr(ord(letter) + 0xFEE0) for letter in ALICE),  # full-width letters
        ALICE.replace(".", "\u3002"),  # RFC 3490 section 3.1
        ALICE.replace("a", "\u00aa"),
        ALICE.replace("@", "\u200b@"),
        ALICE.replace("e", "\u212f"),
        f"mallory@{ALICE}",
        "alice@xn--exmple-cua.org",
    ],
)
def test_stanza_id_by_a_lookalike_of_our_users_is_removed(by: str) -> None:
    assert stored(id_by(by)) == message()


def test_stanza_id_by_the_room_is_kept() -> None:
    room = f"caf\u00e9@conference.{HOST}"
    groupchat = stanza(message(sender=f"{room}/n", type="groupchat", extra=id_by(room)))

    assert for_user(groupchat, HOSTS).decode() == message(
        sender=f"{room}/n", type="groupchat", extra=id_by(room)
    )


def test_every_forged_id_is_removed() -> None:
    assert stored(id_by(ALICE) + "<a xmlns='x'/>" + id_by(BOB) * 2) == message(
        extra="<a xmlns='x'/>"
    )


@pytest.mark.parametrize(
    "extra",
    [
        "",
        id_by(ROOM),
        id_by(ROMEO),
        id_by(f"bob@x{HOST}"),
        id_by(""),
        id_by(BOB, ns="urn:x"),
        f"<origin-id xmlns='urn:xmpp:sid:0' id='x' by='{BOB}'/>",
        f"<wrap xmlns='urn:x'>{id_by(BOB)}</wrap>",
        muc_user(""),
        muc_user("<status code='100'/>"),
        muc_user(f"<invite from='{BOB}'><reason>items!</reason></invite><password>p</password>"),
    ],
)
def test_other_payloads_are_unchanged(extra: str) -> None:
    assert stored(extra) == message(extra=extra)


def test_forged_id_with_a_prefix_is_removed() -> None:
    forged = f"<s:stanza-id xmlns:s='urn:xmpp:sid:0' by='{BOB}' id='x'><s:y/></s:stanza-id>"

    assert stored(forged) == message()


@pytest.mark.parametrize("type", ["chat", "groupchat", "normal"])
def test_real_jids_of_occupants_are_removed(type: str) -> None:
    status = "<status code='100'/>"

    assert stored(muc_user(ITEM + status + ITEM), type=type) == message(
        extra=muc_user(status), type=type
    )


def test_ids_and_jids_are_removed_from_one_message() -> None:
    assert stored(muc_user(ITEM) + id_by(BOB) + muc_user("")) == message(
        extra=muc_user("") + muc_user("")
    )


def test_removed_ids_do_not_change_the_deduplication_key() -> None:
    forged, clean = stanza(message(extra=id_by(BOB))), stanza(message())
    older = stanza(message(extra=id_by(BOB, "urn:xmpp:mam:tmp", "archived")))

    assert forged.key(BOB) == clean.key(BOB) == older.key(BOB)


@pytest.mark.parametrize(
    "attributes",
    [
        f"xmlns='jabber:client' from='{ROOM}/n' to='{BOB}/b' id='1'",
        f'to = "{BOB}/b" xmlns="jabber:client" from="{ROOM}/n" id="1"',
        f"xmlns='jabber:client' from='{ROOM}/n' id='1' to='{BOB}/b' ",
    ],
)
def test_room_message_has_no_to(attributes: str) -> None:
    text = f"<message {attributes}><body>to='x'</body></message>"

    sanitised = parse(for_room(stanza(text), HOSTS))

    assert sanitised.attributes == {"from": f"{ROOM}/n", "id": "1"}
    assert sanitised.ns == "jabber:client"
    assert [child.text for child in sanitised.elements] == ["to='x'"]


def test_text_like_a_to_inside_another_attribute_is_kept() -> None:
    text = f"<message from='{ROOM}/n' id=\" to='x' \" to='{BOB}'/>"

    assert for_room(stanza(text), HOSTS).decode() == f"<message from='{ROOM}/n' id=\" to='x' \"/>"


def test_room_message_has_no_data_of_occupants() -> None:
    extra = (
        muc_user(ITEM)
        + "<a xmlns='x'/>"
        + muc_user("<status code='100'/>")
        + id_by(BOB)
        + id_by(ROOM)
    )
    groupchat = stanza(message(sender=f"{ROOM}/n", to=None, type="groupchat", extra=extra))

    assert for_room(groupchat, HOSTS).decode() == message(
        sender=f"{ROOM}/n", to=None, type="groupchat", extra="<a xmlns='x'/>" + id_by(ROOM)
    )
