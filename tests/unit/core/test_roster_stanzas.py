"""Roster stanzas, built and read (RFC 6121 section 2)."""

from __future__ import annotations

import pytest

from component.core.rosters.stanzas import NS, contacts_in, remove_xml, roster_xml, set_xml
from component.core.xml.document_parser import parse
from storage.rows import Contact

BOB = Contact(
    jid="bob@example.org",
    name="Bob & <Co>",
    subscription="both",
    is_approved=True,
    groups=("Friends", "a'b"),
)


def read(*payloads: str) -> list[Contact]:
    text = f"<iq xmlns='jabber:client' type='result'>{''.join(payloads)}</iq>"
    return list(contacts_in(parse(text.encode())))


def test_roster_is_read_as_it_was_built() -> None:
    romeo = Contact(jid="romeo@remote.example", subscription="none", ask="subscribe")

    assert read(roster_xml([BOB, romeo], version="7")) == [BOB, romeo]


def test_result_without_a_query_has_no_contacts() -> None:
    assert read() == []


@pytest.mark.parametrize("subscription", ["", "remove", "maybe"])
def test_unknown_subscription_is_read_as_none(subscription: str) -> None:
    item = f"<item jid='BOB@example.org' subscription='{subscription}'/>"

    [contact] = read(f"<query xmlns='{NS}'>{item}</query>")

    assert (contact.jid, contact.subscription) == (BOB.jid, "none")


def test_elements_of_other_namespaces_are_ignored() -> None:
    foreign_item = "<item xmlns='urn:x' jid='x@y'/>"
    group = "<group xmlns='urn:x'>no</group><group>yes</group>"

    [contact] = read(f"<query xmlns='{NS}'>{foreign_item}<item jid='a@b'>{group}</item></query>")

    assert (contact.jid, contact.groups) == ("a@b", ("yes",))


def test_roster_set_has_no_state_of_a_subscription() -> None:
    [item] = parse(set_xml(BOB).encode()).elements

    assert item.attributes == {"jid": BOB.jid, "name": BOB.name}
    assert [group.text for group in item.elements] == list(BOB.groups)


def test_roster_set_that_removes_has_the_jid_only() -> None:
    [item] = parse(remove_xml(BOB.jid).encode()).elements

    assert item.attributes == {"jid": BOB.jid, "subscription": "remove"}
    assert item.children == []
