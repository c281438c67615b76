"""What is forged, or not for everybody, is not stored; and all else is, to the byte."""

from __future__ import annotations

import pytest
from support.builders import ALICE, BOB, HOST, OTHER_HOST, ROMEO, ROOM, message, stanza

from component.core.archiving.sanitise import for_room, for_user
from component.core.xml.document_parser import parse

HOSTS = frozenset({HOST, OTHER_HOST})
ITEM = "<item affiliation='none' role='participant' jid='witch@remote.example/broom'/>"


def id_by(by: str, ns: str = "urn:xmpp:sid:0", name: str = "stanza-id") -> str:
    return f"<{name} xmlns='{ns}' by='{by}' id='x'/>"


def x(within: str) -> str:
    return f"<x xmlns='http://jabber.org/protocol/muc#user'>{within}</x>"


def stored(extra: str, *, id: str = "m1", type: str = "chat") -> str:
    read = stanza(message(extra=extra, id=id, type=type))
    return for_user(read, HOSTS).decode()


@pytest.mark.parametrize(
    "by",
    [BOB, ALICE, HOST, f"carol@{OTHER_HOST}", f"{BOB}/phone", BOB.upper(), f"bob@{HOST.upper()}"],
)
@pytest.mark.parametrize(
    ("ns", "name"), [("urn:xmpp:sid:0", "stanza-id"), ("urn:xmpp:mam:tmp", "archived")]
)
def test_an_id_in_the_name_of_our_servers_is_cut_out(by: str, ns: str, name: str) -> None:
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
        "".join(chr(ord(each) + 0xFEE0) for each in ALICE),  # full-width letters
        ALICE.replace(".", "\u3002"),  # RFC 3490 section 3.1
        ALICE.replace("a", "\u00aa"),
        ALICE.replace("@", "\u200b@"),
        ALICE.replace("e", "\u212f"),
        f"mallory@{ALICE}",
        "alice@xn--exmple-cua.org",
    ],
)
def test_an_id_that_a_client_could_take_for_one_in_our_name_is_cut_out(by: str) -> None:
    assert stored(id_by(by)) == message()


def test_the_id_of_a_room_stays_whatever_the_room_is_called() -> None:
    room = f"caf\u00e9@conference.{HOST}"
    said = stanza(message(sender=f"{room}/n", type="groupchat", extra=id_by(room)))

    assert for_user(said, HOSTS).decode() == message(
        sender=f"{room}/n", type="groupchat", extra=id_by(room)
    )


def test_all_of_them_are_cut_out() -> None:
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
        x(""),
        x("<status code='100'/>"),
        x(f"<invite from='{BOB}'><reason>items!</reason></invite><password>p</password>"),
    ],
)
def test_all_else_stays_to_the_byte(extra: str) -> None:
    assert stored(extra) == message(extra=extra)


def test_prefixes_make_no_difference() -> None:
    forged = f"<s:stanza-id xmlns:s='urn:xmpp:sid:0' by='{BOB}' id='x'><s:y/></s:stanza-id>"

    assert stored(forged) == message()


@pytest.mark.parametrize("type", ["chat", "groupchat", "normal"])
def test_real_addresses_of_occupants_are_not_kept(type: str) -> None:
    kept = "<status code='100'/>"

    assert stored(x(ITEM + kept + ITEM), type=type) == message(extra=x(kept), type=type)


def test_ids_and_addresses_are_cut_out_together() -> None:
    assert stored(x(ITEM) + id_by(BOB) + x("")) == message(extra=x("") + x(""))


def test_what_is_cut_out_changes_nothing_about_which_message_it_is() -> None:
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
def test_the_archive_of_a_room_has_no_addressee(attributes: str) -> None:
    text = f"<message {attributes}><body>to='x'</body></message>"

    kept = parse(for_room(stanza(text), HOSTS))

    assert kept.attributes == {"from": f"{ROOM}/n", "id": "1"}
    assert kept.ns == "jabber:client"
    assert [child.text for child in kept.elements] == ["to='x'"]


def test_what_looks_like_an_addressee_in_another_attribute_stays() -> None:
    text = f"<message from='{ROOM}/n' id=\" to='x' \" to='{BOB}'/>"

    assert for_room(stanza(text), HOSTS).decode() == f"<message from='{ROOM}/n' id=\" to='x' \"/>"


def test_the_archive_of_a_room_says_nothing_of_occupants() -> None:
    extra = x(ITEM) + "<a xmlns='x'/>" + x("<status code='100'/>") + id_by(BOB) + id_by(ROOM)
    said = stanza(message(sender=f"{ROOM}/n", to=None, type="groupchat", extra=extra))

    assert for_room(said, HOSTS).decode() == message(
        sender=f"{ROOM}/n", to=None, type="groupchat", extra="<a xmlns='x'/>" + id_by(ROOM)
    )
