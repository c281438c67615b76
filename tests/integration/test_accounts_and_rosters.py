"""Accounts and rosters on a real ejabberd: by real clients, over HTTP and on a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from xml.etree.ElementTree import Element

import pytest
from slixmpp import ClientXMPP
from support.command_clients import (
    ADMIN,
    BOSS,
    OPERATORS,
    Operator,
    line,
    operator,
    run_for_json,
    typed,
)
from support.ejabberd import Account
from support.external_auth import external
from support.releases import Release
from support.remote_data import session
from support.server import Server
from support.slixmpp_client import logs_in, slixmpp_client

ANN = Account("ann", "one.test", "typed: pencil ü")
ITEM = "{jabber:iq:roster}item"

#: This many wrong passwords are more than the throttle allows at once.
GUESSES = 25

Roster = set[tuple[str, str, str, bool, frozenset[str]]]


@pytest.fixture(scope="module")
def external_server(
    tmp_path_factory: pytest.TempPathFactory, release: Release
) -> Iterator[Server]:
    """ejabberd authenticates with Muniment, which listens on a Unix socket."""
    folder = tmp_path_factory.mktemp("unix")
    options = {
        "http": {"address": f"unix:{folder / 'muniment.sock'}"},
        "log": {"level": "debug"},
        **OPERATORS,
    }
    with external(folder, release, options=options) as server:
        command = line(server, "add-user", BOSS.jid, stdin=f"{BOSS.password}\n")
        assert command.returncode == 0, command.stderr
        yield server


@pytest.fixture(scope="module")
def roster_server(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Server]:
    """Muniment shows the rosters of ejabberd with groups and pending requests."""
    options = {"rosters": {"details": True}, **OPERATORS}
    with Server.running(tmp_path_factory.mktemp("showing"), release, options) as server:
        server.ejabberd.register(BOSS)
        yield server


# Accounts


async def test_account_is_added_changed_disabled_and_deleted_on_a_terminal(
    external_server: Server,
) -> None:
    """An administrator adds, changes, disables, enables and deletes an account."""
    changed = replace(ANN, password="typed: crayon")
    for command, account in (("add-user", ANN), ("set-password", changed)):
        answers = [f"{account.password}\n"] * 2
        code, screen = await asyncio.to_thread(
            typed, external_server, command, ANN.jid, answers=answers
        )
        assert (code, "typed" in screen) == (0, False), screen
        assert await logs_in(external_server, account)
    assert not await logs_in(external_server, ANN)

    logins = []
    for command in (["disable-user"], ["enable-user"], ["delete-user", "--yes"]):
        await run_for_json(external_server, *command, ANN.jid)
        logins.append(await logs_in(external_server, changed))

    assert logins == [False, True, False]
    assert (
        ANN.jid
        not in (await run_for_json(external_server, "users"))["values"]["registereduserjids"]
    )


@pytest.mark.parametrize(
    ("answers", "error"),
    [(["one\n", "two\n"], "The passwords differ."), (["\x04"], "No password was given.")],
    ids=["a slip", "Ctrl-D"],
)
async def test_mistyped_or_missing_password_adds_no_account(
    external_server: Server, answers: list[str], error: str
) -> None:
    jid = "slip@one.test"
    code, screen = await asyncio.to_thread(
        typed, external_server, "add-user", jid, answers=answers
    )

    assert (code, screen.splitlines()[-1].rpartition("muniment: ")[2]) == (2, error)
    assert (
        jid not in (await run_for_json(external_server, "users"))["values"]["registereduserjids"]
    )


async def test_password_guessing_is_throttled_and_the_owner_logs_in_later(
    external_server: Server,
) -> None:
    account = Account("guessed", "one.test", "the right one")
    await run_for_json(external_server, "add-user", account.jid, stdin=f"{account.password}\n")
    for number in range(GUESSES):
        assert not await logs_in(external_server, replace(account, password=f"guess-{number}"))
    async with asyncio.timeout(30):
        while not await logs_in(external_server, account):
            pass

    assert f"auth of {account.jid}: There were too many wrong" in external_server.ejabberd.log


async def test_password_in_a_form_is_not_logged(external_server: Server) -> None:
    """The password is in no log, not even at level debug, and not in the audit log."""
    account = Account("formed", "one.test", "password-of-a-form")
    async with operator(external_server) as boss:
        fields = {"accountjid": account.jid, "password": account.password}
        await boss.give(f"{ADMIN}#add-user", fields)
    assert await logs_in(external_server, account)

    own = (external_server.ejabberd.folder / "ejabberd.log").read_text()
    for place in (external_server.ejabberd.log, own, external_server.muniment.log):
        assert account.password not in place
    assert account.password.encode() not in external_server.muniment.stored_bytes()


# Rosters


def items(stanza: Element) -> Roster:
    """Return the roster of a stanza."""
    return {
        (
            item.get("jid", ""),
            item.get("name", ""),
            item.get("subscription", ""),
            item.get("ask") == "subscribe",
            frozenset(group.text or "" for group in item),
        )
        for item in stanza.iter(ITEM)
    }


async def by_xmpp(client: ClientXMPP, to: str | None = None) -> Roster:
    """Return the roster that the server of the user, or the component at `to`, answers."""
    query = client.make_iq_get(ito=to)
    query.append(Element("{jabber:iq:roster}query"))
    return items((await query.send()).xml)


async def over_http(server: Server, owner: Account) -> Roster:
    async with (
        session(server.muniment) as http,
        http.get("/api/roster", params={"username": owner.user}) as response,
    ):
        roster = (await response.json())["roster"]
    return {
        (
            item.get("jid") or f"{item['username']}@{owner.host}",
            item["nick"],
            item["subscription"],
            item["ask"] == "subscribe",
            frozenset(item["groups"]),
        )
        for item in roster
    }


async def by_line(server: Server, owner: Account) -> Roster:
    return {
        (row["jid"], row["name"], row["subscription"], row["asked"], frozenset(row["groups"]))
        for row in (await run_for_json(server, "roster", owner.jid))["rows"]
    }


async def same_roster(
    server: Server, client: ClientXMPP, owner: Account, boss: Operator
) -> Roster:
    """Return the roster of an account. Fail unless all interfaces show the same one."""
    roster = await by_xmpp(client)
    assert await by_xmpp(client, server.ejabberd.component) == roster
    assert await over_http(server, owner) == roster
    assert await by_line(server, owner) == roster
    form = await boss.give(f"{ADMIN}#get-user-roster", {"accountjids": [owner.jid]})
    assert items(form.xml) == roster
    return roster


async def test_roster_change_is_shown_alike_to_owner_program_and_operator(
    roster_server: Server,
) -> None:
    """A client adds, renames, groups, subscribes to and removes a contact, with slixmpp."""
    alice, bob = roster_server.accounts("alice", "bob")
    port = roster_server.ejabberd.ports.c2s
    async with (
        slixmpp_client(alice, port) as alice_client,
        slixmpp_client(bob, port) as bob_client,
        operator(roster_server) as boss,
    ):
        requested, approved = asyncio.Event(), asyncio.Event()
        bob_client.add_event_handler("changed_subscription", lambda _: requested.set())
        alice_client.add_event_handler("roster_update", lambda _: approved.set())
        for client in (alice_client, bob_client):
            client.auto_authorize = None
            await client.get_roster()
        rosters = [await same_roster(roster_server, alice_client, alice, boss)]
        for changes in ({}, {"name": "Bob & Co"}, {"name": "Bob", "groups": ["Work", "<3"]}):
            await alice_client.update_roster(bob.jid, **changes)
            rosters.append(await same_roster(roster_server, alice_client, alice, boss))
        alice_client.send_presence_subscription(bob.jid, ptype="subscribe")
        await asyncio.wait_for(requested.wait(), 10)
        rosters.append(await same_roster(roster_server, alice_client, alice, boss))
        approved.clear()
        bob_client.send_presence_subscription(alice.jid, ptype="subscribed")
        await asyncio.wait_for(approved.wait(), 10)
        rosters.append(await same_roster(roster_server, alice_client, alice, boss))
        await alice_client.del_roster_item(bob.jid)
        rosters.append(await same_roster(roster_server, alice_client, alice, boss))

    no_groups, groups = frozenset[str](), frozenset({"Work", "<3"})
    assert rosters == [
        set(),
        {(bob.jid, "", "none", False, no_groups)},
        {(bob.jid, "Bob & Co", "none", False, no_groups)},
        {(bob.jid, "Bob", "none", False, groups)},
        {(bob.jid, "Bob", "none", True, groups)},
        {(bob.jid, "Bob", "to", False, groups)},
        set(),
    ]
