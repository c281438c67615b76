"""Rosters over HTTP and by XMPP, of a real ejabberd and of our own store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree.ElementTree import Element

import pytest
from support import mam
from support.ejabberd import Account, Ejabberd
from support.muniment import ACCOUNTS, Muniment
from support.raw import Client
from support.releases import Release
from support.remote_data import session
from support.server import Server

#: What it tests differs between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

ROSTER = "{jabber:iq:roster}"
GET = "<query xmlns='jabber:iq:roster'/>"


@dataclass(frozen=True, order=True)
class Contact:
    """What whoever shows a roster tells of one contact."""

    jid: str
    name: str
    subscription: str
    ask: bool
    groups: tuple[str, ...]


Roster = list[Contact]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Server]:
    """ejabberd lets its rosters be read and set, as far as its version can."""
    folder = tmp_path_factory.mktemp("rosters")
    changes = {"get: muniment": "both: muniment"}
    with (
        Ejabberd(folder / "ejabberd", release, changes=changes) as ejabberd,
        Muniment(
            folder / "muniment", ejabberd, options={"rosters": {"details": True}}
        ) as muniment,
    ):
        yield Server(ejabberd, muniment)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Server]:
    """The rosters are in our own store."""
    options = {"rosters": {"source": "store", "details": True}, **ACCOUNTS}
    with Server.running(tmp_path_factory.mktemp("stored"), release, options) as running:
        yield running


def version(server: Server) -> tuple[int, ...]:
    """Return the version of ejabberd, like (23, 10)."""
    written = server.ejabberd.evaluate("ejabberd_option:version()")
    return tuple(map(int, re.findall(r"\d+", written)))


def path(server: Server, account: Account) -> str:
    named = "" if account.host == server.ejabberd.hosts[0] else f"/{account.host}"
    return f"/api{named}/roster"


async def over_http(server: Server, account: Account) -> Roster:
    async with (
        session(server.muniment) as http,
        http.get(path(server, account), params={"username": account.user}) as answer,
    ):
        assert answer.status == 200, await answer.text()
        found = await answer.json()
    assert list(found) == ["roster"]
    return sorted(_of_json(item, account.host) for item in found["roster"])


async def by_xmpp(client: Client, to: str | None) -> Roster:
    """Return the roster that the client's server has, or the component shows."""
    answer = await client.ask("get", GET, to=to)
    return sorted(map(_of_xml, answer.iterfind(f"{ROSTER}query/{ROSTER}item")))


async def shown(server: Server, client: Client) -> Roster:
    """Return the roster, which everybody has to show alike at this moment."""
    there = await by_xmpp(client, None)
    assert await by_xmpp(client, server.ejabberd.component) == there
    assert await over_http(server, client.account) == there
    return there


async def set_item(client: Client, jid: str, attributes: str = "", groups: str = "") -> None:
    item = f"<item jid='{jid}' {attributes}>{groups}</item>"
    await client.ask("set", f"<query xmlns='jabber:iq:roster'>{item}</query>")


async def pushed(client: Client, subscription: str) -> None:
    """Return when the client was told of a contact of that subscription."""

    def is_it(stanza: Element) -> bool:
        item = stanza.find(f"{ROSTER}query/{ROSTER}item")
        is_push = stanza.get("type") == "set"
        return is_push and item is not None and item.get("subscription") == subscription

    await client.wait_for(is_it)


async def test_all_show_the_same_roster_at_each_moment(both: Server) -> None:
    """Add, rename, group, subscribe, remove: what one shows the others show too."""
    alice, bob = both.accounts("alice", "bob@2")
    async with both.client(alice) as a, both.client(bob) as b:
        for client in (a, b):
            await client.ask("get", GET)
            await client.be_available()
        assert await shown(both, a) == []

        await set_item(a, bob.jid)
        assert await shown(both, a) == [Contact(bob.jid, "", "none", False, ())]

        await set_item(a, bob.jid, "name='Bo &amp; Co'")
        assert await shown(both, a) == [Contact(bob.jid, "Bo & Co", "none", False, ())]

        groups = "<group>Work</group><group>Friends</group>"
        await set_item(a, bob.jid, "name='Bob'", groups)
        assert await shown(both, a) == [
            Contact(bob.jid, "Bob", "none", False, ("Friends", "Work"))
        ]

        a.send(f"<presence type='subscribe' to='{bob.jid}'/>")
        await b.wait_for(lambda stanza: stanza.get("type") == "subscribe")
        assert await shown(both, a) == [Contact(bob.jid, "Bob", "none", True, ("Friends", "Work"))]
        # Who only asks is on nobody's roster.
        assert await shown(both, b) == []

        b.send(f"<presence type='subscribed' to='{alice.jid}'/>")
        await pushed(a, "to")
        assert await shown(both, a) == [Contact(bob.jid, "Bob", "to", False, ("Friends", "Work"))]
        assert await shown(both, b) == [Contact(alice.jid, "", "from", False, ())]

        await set_item(a, bob.jid, "subscription='remove'")
        assert await shown(both, a) == []
        await pushed(b, "none")
        assert await shown(both, b) == [Contact(alice.jid, "", "none", False, ())]


async def test_an_unchanged_roster_is_not_sent_again(both: Server) -> None:
    async with both.client(both.account("alice")) as a:
        await set_item(a, "bob@one.test")
        first = (await a.ask("get", GET, to=both.ejabberd.component)).find(f"{ROSTER}query")
        assert first is not None
        known = f"<query xmlns='jabber:iq:roster' ver='{first.get('ver')}'/>"
        same = await a.ask("get", known, to=both.ejabberd.component)
        await set_item(a, "bob@one.test", "name='Bob'")
        other = await a.ask("get", known, to=both.ejabberd.component)

        assert (same.find(f"{ROSTER}query"), len(other.findall(f"{ROSTER}query"))) == (None, 1)


async def test_the_component_says_that_it_shows_rosters(both: Server) -> None:
    async with both.client(both.account("alice")) as a:
        info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
        answer = await a.ask("get", info, to=both.ejabberd.component)

        assert "jabber:iq:roster" in {feature.get("var") for feature in answer.iter()}


async def test_a_change_over_http_is_done_or_refused_in_full(both: Server) -> None:
    """ejabberd 23.01 fails at sets of others; from 23.10 on it does what they say."""
    alice = both.account("alice")
    async with both.client(alice) as a, session(both.muniment) as http:
        item = {"username": alice.user, "jid": "bob@one.test", "nick": "Bob", "groups": ["Work"]}
        async with http.put(path(both, alice), json=item) as answer:
            status, body = answer.status, await answer.text()
        roster = await shown(both, a)

    if version(both) < (23, 10):
        assert (status, roster) == (409, []), body
        assert "23.10" in body
    else:
        assert (status, roster) == (
            200,
            [Contact("bob@one.test", "Bob", "none", False, ("Work",))],
        )


async def test_each_change_over_http_is_pushed_to_the_clients_of_the_user(both: Server) -> None:
    """RFC 6121 section 2.1.6. Before 23.10 ejabberd changes nothing."""
    alice = both.account("alice")
    contact = f"{quote(alice.user)}/{quote('bob@one.test')}"
    item = {"username": alice.user, "jid": "bob@one.test"}
    changes = [
        ("PUT", "", item | {"nick": "Bob"}, ("Bob", "none")),
        ("PATCH", "", item | {"nick": "Bo", "groups": ["Work"]}, ("Bo", "none")),
        ("DELETE", f"/{contact}", None, (None, "remove")),
    ]
    statuses, pushes = [], []
    async with both.client(alice) as a, session(both.muniment) as http:
        await a.ask("get", GET)
        await a.be_available()
        for method, rest, body, _ in changes:
            place = path(both, alice) + rest
            async with http.request(method, place, json=body) as answer:
                statuses.append(answer.status)
        await a.settled()
        for stanza in a.received:
            changed = stanza.find(f"{ROSTER}query/{ROSTER}item")
            if stanza.get("type") == "set" and changed is not None:
                pushes.append((changed.get("name"), changed.get("subscription")))

    if version(both) < (23, 10):
        assert (statuses, pushes) == ([409, 409, 409], [])
    else:
        assert all(status < 300 for status in statuses), statuses
        assert pushes == [push for *_, push in changes]


async def test_subscription_is_not_changed_over_http(both: Server) -> None:
    """It follows from the presence stanzas of both users (RFC 6121 section 3)."""
    alice = both.account("alice")
    item = {"username": alice.user, "jid": "bob@one.test", "subscription": "both", "ask": "none"}
    async with both.client(alice) as a, session(both.muniment) as http:
        await set_item(a, "bob@one.test", "name='Bob'")
        async with http.post(path(both, alice), json=item) as answer:
            status, text = answer.status, await answer.text()

        assert (status, "subscriptions" in text) == (409, True), text
        assert await shown(both, a) == [Contact("bob@one.test", "Bob", "none", False, ())]


async def test_messages_with_a_new_contact_are_archived_where_the_roster_decides(
    both: Server,
) -> None:
    """The contact is added over HTTP, or by a client where ejabberd takes no change of ours."""
    alice, bob = both.accounts("alice", "bob")
    prefs = "<prefs xmlns='urn:xmpp:mam:2' default='roster'><always/><never/></prefs>"
    async with both.client(alice) as a, both.client(bob) as b, session(both.muniment) as http:
        await a.ask("get", GET)
        await a.be_available()
        await a.ask("set", prefs)
        b.say(alice.jid, "from a stranger")
        await a.wait_for_body("from a stranger")
        before = await mam.bodies(a)
        async with http.put(
            path(both, alice), json={"username": alice.user, "jid": bob.jid}
        ) as answer:
            is_changed = answer.status == 200
        if not is_changed:
            await set_item(a, bob.jid)
        b.say(alice.jid, "from a contact")
        await a.wait_for_body("from a contact")

        assert (before, await mam.bodies(a)) == ([], ["from a contact"])
    assert is_changed == (version(both) >= (23, 10))


async def test_the_example_lets_nobody_change_rosters(server: Server) -> None:
    alice = server.account("alice")
    async with session(server.muniment) as http:
        item = {"username": alice.user, "jid": "bob@one.test"}
        async with http.put(path(server, alice), json=item) as answer:
            assert (answer.status, "mod_privilege" in await answer.text()) == (409, True)


async def test_rosters_in_our_store_are_shown_alike(stored: Server) -> None:
    """What a server with the REST backend writes is what it and its users read."""
    alice = stored.account("alice@2")
    item: dict[str, Any] = {"username": alice.user, "jid": "bob@two.test"}
    writes = [
        ("PUT", item),
        ("PATCH", item | {"nick": "Bob", "groups": ["Work"]}),
        ("POST", item | {"subscription": "none", "ask": "out"}),
        ("POST", item | {"subscription": "to", "ask": "none"}),
        ("DELETE", None),
    ]
    seen = []
    async with stored.client(alice) as a, session(stored.muniment) as http:
        for method, body in writes:
            place = path(stored, alice)
            if body is None:
                place += f"/{quote(alice.user)}/{quote('bob@two.test')}"
            async with http.request(method, place, json=body) as answer:
                assert answer.status in (200, 201, 204), await answer.text()
            seen.append(await by_xmpp(a, stored.ejabberd.component))
            if seen[-1]:
                assert await over_http(stored, alice) == seen[-1]

    assert seen == [
        [Contact("bob@two.test", "", "none", False, ())],
        [Contact("bob@two.test", "Bob", "none", False, ("Work",))],
        [Contact("bob@two.test", "Bob", "none", True, ("Work",))],
        [Contact("bob@two.test", "Bob", "to", False, ("Work",))],
        [],
    ]


async def test_who_is_no_user_is_told_where_accounts_are_known(
    server: Server, stored: Server
) -> None:
    """ejabberd gives an empty roster for anybody; our own accounts are all that there are."""
    statuses = []
    for one in (server, stored):
        async with (
            session(one.muniment) as http,
            http.get("/api/roster", params={"username": "nobody"}) as answer,
        ):
            statuses.append(answer.status)

    assert statuses == [200, 401]


def _of_xml(item: Element) -> Contact:
    groups = sorted(group.text or "" for group in item.iterfind(f"{ROSTER}group"))
    return Contact(
        jid=item.get("jid", ""),
        name=item.get("name", ""),
        subscription=item.get("subscription", ""),
        ask=item.get("ask") == "subscribe",
        groups=tuple(groups),
    )


def _of_json(item: dict[str, Any], host: str) -> Contact:
    return Contact(
        jid=item.get("jid") or f"{item['username']}@{host}",
        name=item["nick"],
        subscription=item["subscription"],
        ask=item["ask"] == "subscribe",
        groups=tuple(item["groups"]),
    )
