"""Copied presences and roster pushes reach the journal of the user who received them."""

from __future__ import annotations

import pytest
from support.wire import ALICE, ALICE_PHONE, BOB, BOB_PHONE, HOST, NS_CLIENT

from component.core.events.journal import EventJournal
from component.core.rosters.own import OwnRosters
from component.core.xml.document_parser import parse
from component.xmpp.connection.addresses import Addresses
from component.xmpp.copies.contact_presences import ContactPresences
from component.xmpp.copies.roster_pushes import RosterPushes
from storage.rows import Contact
from storage.sql.store import SqlStorage

CAROL = f"carol@{HOST}"
MUC_USER = "<x xmlns='http://jabber.org/protocol/muc#user'/>"


class Copies:
    """The journal of alice, who has bob on her roster, and the copies that it hears."""

    def __init__(self, storage: SqlStorage) -> None:
        self._storage = storage
        self._journal = EventJournal(storage.events, OwnRosters(storage.contacts))
        self._presences = ContactPresences(self._journal, Addresses())
        self._pushes = RosterPushes(lambda _: None, Addresses(), self._journal)

    async def begin(self) -> None:
        await self._storage.contacts.put(ALICE, Contact(jid=BOB))
        await self._journal.look(ALICE)

    def presence(
        self, sender: str, to: str = ALICE_PHONE, type: str = "", extra: str = ""
    ) -> None:
        kind = f" type='{type}'" if type else ""
        raw = f"<presence xmlns='{NS_CLIENT}' from='{sender}' to='{to}'{kind}>{extra}</presence>"
        self._presences.take(parse(raw.encode(), keep_depth=2), raw.encode())

    def push(self, item: str, *, sender: str = ALICE, to: str = ALICE_PHONE) -> None:
        query = f"<query xmlns='jabber:iq:roster'>{item}</query>"
        raw = f"<iq xmlns='{NS_CLIENT}' type='set' from='{sender}' to='{to}'>{query}</iq>"
        self._pushes.take(HOST, parse(raw.encode(), keep_depth=1), raw.encode())

    async def entries(self) -> dict[str, str]:
        await self._journal.look(ALICE)
        entries = (await self._storage.events.snapshot(ALICE)).entries
        return {entry.subject: entry.value for entry in entries}


@pytest.fixture
async def copies(storage: SqlStorage) -> Copies:
    copies = Copies(storage)
    await copies.begin()
    return copies


async def test_received_presence_is_entered_with_its_state(copies: Copies) -> None:
    copies.presence(
        BOB_PHONE, extra="<show>away</show><status>At lunch</status><priority>5</priority>"
    )

    assert (await copies.entries())[BOB_PHONE] == (
        '{"priority":5,"show":"away","status":"At lunch"}'
    )


async def test_unavailable_presence_ends_it(copies: Copies) -> None:
    copies.presence(BOB_PHONE)
    copies.presence(BOB_PHONE, type="unavailable")

    assert set(await copies.entries()) == {BOB}


@pytest.mark.parametrize("type", ["error", "probe", "subscribe", "subscribed", "unsubscribed"])
async def test_presence_of_another_type_is_not_entered(copies: Copies, type: str) -> None:
    copies.presence(BOB_PHONE, type=type)

    assert set(await copies.entries()) == {BOB}


async def test_presence_of_an_occupant_and_an_own_one_are_not_entered(copies: Copies) -> None:
    copies.presence(BOB_PHONE, extra=MUC_USER)
    copies.presence(f"{ALICE}/laptop")

    assert set(await copies.entries()) == {BOB}


async def test_push_is_entered_with_groups(copies: Copies) -> None:
    copies.push("<item jid='romeo@x.example' name='R' subscription='to'><group>g</group></item>")

    entry = (await copies.entries())["romeo@x.example"]

    assert entry == '{"asked":false,"groups":["g"],"name":"R","subscription":"to"}'


async def test_pushed_removal_ends_the_contact_and_its_presence(copies: Copies) -> None:
    copies.presence(BOB_PHONE)
    await copies.entries()

    copies.push(f"<item jid='{BOB}' subscription='remove'/>")

    assert await copies.entries() == {}


async def test_push_of_somebody_else_is_ignored(copies: Copies) -> None:
    copies.push("<item jid='romeo@x.example'/>", sender=BOB_PHONE)
    copies.push("<item jid='romeo@x.example'/>", sender=f"{ALICE}/laptop")

    assert set(await copies.entries()) == {BOB}


async def test_subscription_request_waits_until_the_user_answers(copies: Copies) -> None:
    copies.presence(CAROL, to=ALICE, type="subscribe", extra="<status>Hi</status>")
    assert (await copies.entries())[CAROL] == '{"status":"Hi"}'

    copies.presence(ALICE_PHONE, to=CAROL, type="subscribed")
    assert CAROL not in await copies.entries()


async def test_subscription_request_ends_when_it_is_withdrawn(copies: Copies) -> None:
    copies.presence(CAROL, to=ALICE, type="subscribe")
    copies.presence(CAROL, to=ALICE, type="unsubscribe")
    assert CAROL not in await copies.entries()
