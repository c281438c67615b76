"""Rosters of a real ejabberd and of our own store, over HTTP and XMPP."""

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

#: Access to rosters differs between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

ROSTER = "{jabber:iq:roster}"
GET = "<query xmlns='jabber:iq:roster'/>"


@dataclass(frozen=True, order=True)
class Contact:
    """A roster item, as HTTP and XMPP show it."""

    jid: str
    name: str
    subscription: str
    ask: bool
    groups: tuple[str, ...]


Roster = list[Contact]


@pytest.fixture(scope="module")
def roster_server(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Server]:
    """ejabberd grants Muniment to read and set rosters, as far as the release supports it."""
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
def store_server(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Server]:
    """ejabberd and Muniment, which stores the rosters itself."""
    options = {"rosters": {"source": "store", "details": True}, **ACCOUNTS}
    with Server.running(tmp_path_factory.mktemp("stored"), release, options) as running:
        yield running


def version(server: Server) -> tuple[int, ...]:
    """Return the version of ejabberd, like (23, 10)."""
    text = server.ejabberd.evaluate("ejabberd_option:version()")
    return tuple(map(int, re.findall(r"\d+", text)))


def path(server: Server, account: Account) -> str:
    host = "" if account.host == server.ejabberd.hosts[0] else f"/{account.host}"
    return f"/api{host}/roster"


async def over_http(server: Server, account: Account) -> Roster:
    async with (
        session(server.muniment) as http,
        http.get(path(server, account), params={"username": account.user}) as response,
    ):
        assert response.status == 200, await response.text()
        roster = await response.json()
    assert list(roster) == ["roster"]
    return sorted(_of_json(item, account.host) for item in roster["roster"])


async def by_xmpp(client: Client, to: str | None) -> Roster:
    """Return the roster that the server of the client, or the component at `to`, answers."""
    response = await client.ask("get", GET, to=to)
    return sorted(map(_of_xml, response.iterfind(f"{ROSTER}query/{ROSTER}item")))


async def same_roster(server: Server, client: Client) -> Roster:
    """Return the roster of a client. Fail unless all interfaces show the same one."""
    roster = await by_xmpp(client, None)
    assert await by_xmpp(client, server.ejabberd.component) == roster
    assert await over_http(server, client.account) == roster
    return roster


async def set_item(client: Client, jid: str, attributes: str = "", groups: str = "") -> None:
    item = f"<item jid='{jid}' {attributes}>{groups}</item>"
    await client.ask("set", f"<query xmlns='jabber:iq:roster'>{item}</query>")


async def wait_for_push(client: Client, subscription: str) -> None:
    """Return after a roster push with an item of this subscription."""

    def is_push(stanza: Element) -> bool:
        item = stanza.find(f"{ROSTER}query/{ROSTER}item")
        is_set = stanza.get("type") == "set"
        return is_set and item is not None and item.get("subscription") == subscription

    await client.wait_for(is_push)


async def test_roster_change_is_shown_alike_by_server_component_and_http(
    roster_server: Server,
) -> None:
    """A client adds, renames, groups, subscribes to and removes a contact."""
    alice, bob = roster_server.accounts("alice", "bob@2")
    async with (
        roster_server.client(alice) as alice_client,
        roster_server.client(bob) as bob_client,
    ):
        for client in (alice_client, bob_client):
            await client.ask("get", GET)
            await client.be_available()
        assert await same_roster(roster_server, alice_client) == []

        await set_item(alice_client, bob.jid)
        assert await same_roster(roster_server, alice_client) == [
            Contact(bob.jid, "", "none", False, ())
        ]

        await set_item(alice_client, bob.jid, "name='Bo &amp; Co'")
        assert await same_roster(roster_server, alice_client) == [
            Contact(bob.jid, "Bo & Co", "none", False, ())
        ]

        groups = "<group>Work</group><group>Friends</group>"
        await set_item(alice_client, bob.jid, "name='Bob'", groups)
        assert await same_roster(roster_server, alice_client) == [
            Contact(bob.jid, "Bob", "none", False, ("Friends", "Work"))
        ]

        alice_client.send(f"<presence type='subscribe' to='{bob.jid}'/>")
        await bob_client.wait_for(lambda stanza: stanza.get("type") == "subscribe")
        assert await same_roster(roster_server, alice_client) == [
            Contact(bob.jid, "Bob", "none", True, ("Friends", "Work"))
        ]
        # A pending request does not put its sender on the roster of the recipient.
        assert await same_roster(roster_server, bob_client) == []

        bob_client.send(f"<presence type='subscribed' to='{alice.jid}'/>")
        await wait_for_push(alice_client, "to")
        assert await same_roster(roster_server, alice_client) == [
            Contact(bob.jid, "Bob", "to", False, ("Friends", "Work"))
        ]
        assert await same_roster(roster_server, bob_client) == [
            Contact(alice.jid, "", "from", False, ())
        ]

        await set_item(alice_client, bob.jid, "subscription='remove'")
        assert await same_roster(roster_server, alice_client) == []
        await wait_for_push(bob_client, "none")
        assert await same_roster(roster_server, bob_client) == [
            Contact(alice.jid, "", "none", False, ())
        ]


async def test_unchanged_roster_returns_an_empty_result(roster_server: Server) -> None:
    async with roster_server.client(roster_server.account("alice")) as alice_client:
        await set_item(alice_client, "bob@one.test")
        first = (await alice_client.ask("get", GET, to=roster_server.ejabberd.component)).find(
            f"{ROSTER}query"
        )
        assert first is not None
        query = f"<query xmlns='jabber:iq:roster' ver='{first.get('ver')}'/>"
        unchanged = await alice_client.ask("get", query, to=roster_server.ejabberd.component)
        await set_item(alice_client, "bob@one.test", "name='Bob'")
        changed = await alice_client.ask("get", query, to=roster_server.ejabberd.component)

        assert (unchanged.find(f"{ROSTER}query"), len(changed.findall(f"{ROSTER}query"))) == (
            None,
            1,
        )


async def test_component_advertises_rosters(roster_server: Server) -> None:
    async with roster_server.client(roster_server.account("alice")) as alice_client:
        info = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
        response = await alice_client.ask("get", info, to=roster_server.ejabberd.component)

        assert "jabber:iq:roster" in {feature.get("var") for feature in response.iter()}


async def test_roster_write_over_http_is_applied_in_full_or_refused(roster_server: Server) -> None:
    """ejabberd before 23.10 fails at roster sets of a privileged component; later releases apply
    them."""
    alice = roster_server.account("alice")
    async with (
        roster_server.client(alice) as alice_client,
        session(roster_server.muniment) as http,
    ):
        item = {"username": alice.user, "jid": "bob@one.test", "nick": "Bob", "groups": ["Work"]}
        async with http.put(path(roster_server, alice), json=item) as response:
            status, body = response.status, await response.text()
        roster = await same_roster(roster_server, alice_client)

    if version(roster_server) < (23, 10):
        assert (status, roster) == (409, []), body
        assert "23.10" in body
    else:
        assert (status, roster) == (
            200,
            [Contact("bob@one.test", "Bob", "none", False, ("Work",))],
        )


async def test_each_change_over_http_is_pushed_to_the_clients_of_the_user(
    roster_server: Server,
) -> None:
    """RFC 6121 section 2.1.6. Before 23.10 ejabberd changes nothing."""
    alice = roster_server.account("alice")
    contact = f"{quote(alice.user)}/{quote('bob@one.test')}"
    item = {"username": alice.user, "jid": "bob@one.test"}
    changes = [
        ("PUT", "", item | {"nick": "Bob"}, ("Bob", "none")),
        ("PATCH", "", item | {"nick": "Bo", "groups": ["Work"]}, ("Bo", "none")),
        ("DELETE", f"/{contact}", None, (None, "remove")),
    ]
    statuses, pushes = [], []
    async with roster_server.client(alice) as a, session(roster_server.muniment) as http:
        await a.ask("get", GET)
        await a.be_available()
        for method, rest, body, _ in changes:
            place = path(roster_server, alice) + rest
            async with http.request(method, place, json=body) as answer:
                statuses.append(answer.status)
        await a.settled()
        for stanza in a.received:
            changed = stanza.find(f"{ROSTER}query/{ROSTER}item")
            if stanza.get("type") == "set" and changed is not None:
                pushes.append((changed.get("name"), changed.get("subscription")))

    if version(roster_server) < (23, 10):
        assert (statuses, pushes) == ([409, 409, 409], [])
    else:
        assert all(status < 300 for status in statuses), statuses
        assert pushes == [push for *_, push in changes]


async def test_subscription_is_not_changed_over_http(roster_server: Server) -> None:
    """It follows from the presence stanzas of both users (RFC 6121 section 3)."""
    alice = roster_server.account("alice")
    item = {"username": alice.user, "jid": "bob@one.test", "subscription": "both", "ask": "none"}
    async with roster_server.client(alice) as a, session(roster_server.muniment) as http:
        await set_item(a, "bob@one.test", "name='Bob'")
        async with http.post(path(roster_server, alice), json=item) as answer:
            status, text = answer.status, await answer.text()

        assert (status, "subscriptions" in text) == (409, True), text
        assert await same_roster(roster_server, a) == [
            Contact("bob@one.test", "Bob", "none", False, ())
        ]


async def test_messages_with_a_new_contact_are_archived_where_the_roster_decides(
    roster_server: Server,
) -> None:
    """The contact is added over HTTP, or by a client where ejabberd takes no change of ours."""
    alice, bob = roster_server.accounts("alice", "bob")
    prefs = "<prefs xmlns='urn:xmpp:mam:2' default='roster'><always/><never/></prefs>"
    async with (
        roster_server.client(alice) as a,
        roster_server.client(bob) as b,
        session(roster_server.muniment) as http,
    ):
        await a.ask("get", GET)
        await a.be_available()
        await a.ask("set", prefs)
        b.say(alice.jid, "from a stranger")
        await a.wait_for_body("from a stranger")
        before = await mam.bodies(a)
        async with http.put(
            path(roster_server, alice), json={"username": alice.user, "jid": bob.jid}
        ) as answer:
            is_changed = answer.status == 200
        if not is_changed:
            await set_item(a, bob.jid)
        b.say(alice.jid, "from a contact")
        await a.wait_for_body("from a contact")

        assert (before, await mam.bodies(a)) == ([], ["from a contact"])
    assert is_changed == (version(roster_server) >= (23, 10))


async def test_roster_write_with_the_example_configuration_is_refused(server: Server) -> None:
    alice = server.account("alice")
    async with session(server.muniment) as http:
        item = {"username": alice.user, "jid": "bob@one.test"}
        async with http.put(path(server, alice), json=item) as response:
            assert (response.status, "mod_privilege" in await response.text()) == (409, True)


async def test_stored_roster_is_shown_alike_over_xmpp_and_http(store_server: Server) -> None:
    """The writes of a server with the REST backend are visible to the server and to its users."""
    alice = store_server.account("alice@2")
    item: dict[str, Any] = {"username": alice.user, "jid": "bob@two.test"}
    writes = [
        ("PUT", item),
        ("PATCH", item | {"nick": "Bob", "groups": ["Work"]}),
        ("POST", item | {"subscription": "none", "ask": "out"}),
        ("POST", item | {"subscription": "to", "ask": "none"}),
        ("DELETE", None),
    ]
    rosters = []
    async with store_server.client(alice) as alice_client, session(store_server.muniment) as http:
        for method, body in writes:
            place = path(store_server, alice)
            if body is None:
                place += f"/{quote(alice.user)}/{quote('bob@two.test')}"
            async with http.request(method, place, json=body) as response:
                assert response.status in (200, 201, 204), await response.text()
            rosters.append(await by_xmpp(alice_client, store_server.ejabberd.component))
            if rosters[-1]:
                assert await over_http(store_server, alice) == rosters[-1]

    assert rosters == [
        [Contact("bob@two.test", "", "none", False, ())],
        [Contact("bob@two.test", "Bob", "none", False, ("Work",))],
        [Contact("bob@two.test", "Bob", "none", True, ("Work",))],
        [Contact("bob@two.test", "Bob", "to", False, ("Work",))],
        [],
    ]


async def test_roster_of_nonexistent_user_is_401_only_with_own_accounts(
    server: Server, store_server: Server
) -> None:
    """ejabberd returns an empty roster for any user; Muniment knows all of its own accounts."""
    statuses = []
    for running in (server, store_server):
        async with (
            session(running.muniment) as http,
            http.get("/api/roster", params={"username": "nobody"}) as response,
        ):
            statuses.append(response.status)

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
