"""Accounts and rosters in daily use: a real ejabberd, real clients, a person at a terminal."""

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

#: More wrong passwords than are answered at once.
GUESSES = 25

Roster = set[tuple[str, str, str, bool, frozenset[str]]]


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Server]:
    """ejabberd asks Muniment who may log in, and all who ask Muniment do so on a Unix socket."""
    folder = tmp_path_factory.mktemp("unix")
    options = {
        "http": {"address": f"unix:{folder / 'muniment.sock'}"},
        "log": {"level": "debug"},
        **OPERATORS,
    }
    with external(folder, release, options=options) as server:
        made = line(server, "add-user", BOSS.jid, stdin=f"{BOSS.password}\n")
        assert made.returncode == 0, made.stderr
        yield server


@pytest.fixture(scope="module")
def showing(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Server]:
    """Muniment shows the rosters that ejabberd has, with all that there is on them."""
    options = {"rosters": {"details": True}, **OPERATORS}
    with Server.running(tmp_path_factory.mktemp("showing"), release, options) as server:
        server.ejabberd.register(BOSS)
        yield server


# Accounts


async def test_an_account_goes_from_a_terminal_to_a_login(asking: Server) -> None:
    """Added, given another password, disabled, enabled and removed, by hand."""
    other = replace(ANN, password="typed: crayon")
    for command, account in (("add-user", ANN), ("set-password", other)):
        answers = [f"{account.password}\n"] * 2
        code, shown = await asyncio.to_thread(typed, asking, command, ANN.jid, answers=answers)
        assert (code, "typed" in shown) == (0, False), shown
        assert await logs_in(asking, account)
    assert not await logs_in(asking, ANN)

    lets_in = []
    for command in (["disable-user"], ["enable-user"], ["delete-user", "--yes"]):
        await run_for_json(asking, *command, ANN.jid)
        lets_in.append(await logs_in(asking, other))

    assert lets_in == [False, True, False]
    assert ANN.jid not in (await run_for_json(asking, "users"))["values"]["registereduserjids"]


@pytest.mark.parametrize(
    ("answers", "said"),
    [(["one\n", "two\n"], "The passwords differ."), (["\x04"], "No password was given.")],
    ids=["a slip", "Ctrl-D"],
)
async def test_an_account_is_not_made_by_mistake(
    asking: Server, answers: list[str], said: str
) -> None:
    jid = "slip@one.test"
    code, shown = await asyncio.to_thread(typed, asking, "add-user", jid, answers=answers)

    assert (code, shown.splitlines()[-1].rpartition("muniment: ")[2]) == (2, said)
    assert jid not in (await run_for_json(asking, "users"))["values"]["registereduserjids"]


async def test_guessing_is_slowed_and_the_owner_gets_in(asking: Server) -> None:
    account = Account("guessed", "one.test", "the right one")
    await run_for_json(asking, "add-user", account.jid, stdin=f"{account.password}\n")
    for number in range(GUESSES):
        assert not await logs_in(asking, replace(account, password=f"guess-{number}"))
    async with asyncio.timeout(30):
        while not await logs_in(asking, account):
            pass

    assert f"auth of {account.jid}: There were too many wrong" in asking.ejabberd.log


async def test_a_password_in_a_form_is_in_no_log(asking: Server) -> None:
    """Nor in the audit log, at whatever level."""
    account = Account("formed", "one.test", "password-of-a-form")
    async with operator(asking) as boss:
        fields = {"accountjid": account.jid, "password": account.password}
        await boss.give(f"{ADMIN}#add-user", fields)
    assert await logs_in(asking, account)

    own = (asking.ejabberd.folder / "ejabberd.log").read_text()
    for place in (asking.ejabberd.log, own, asking.muniment.log):
        assert account.password not in place
    database = asking.muniment.folder.glob("muniment.db*")
    assert not any(account.password.encode() in file.read_bytes() for file in database)


# Rosters


def items(of: Element) -> Roster:
    """Return what a stanza shows of a roster."""
    return {
        (
            item.get("jid", ""),
            item.get("name", ""),
            item.get("subscription", ""),
            item.get("ask") == "subscribe",
            frozenset(group.text or "" for group in item),
        )
        for item in of.iter(ITEM)
    }


async def by_xmpp(client: ClientXMPP, to: str | None = None) -> Roster:
    """Ask the user's own server, or the component."""
    query = client.make_iq_get(ito=to)
    query.append(Element("{jabber:iq:roster}query"))
    return items((await query.send()).xml)


async def over_http(server: Server, owner: Account) -> Roster:
    async with (
        session(server.muniment) as http,
        http.get("/api/roster", params={"username": owner.user}) as answer,
    ):
        found = (await answer.json())["roster"]
    return {
        (
            item.get("jid") or f"{item['username']}@{owner.host}",
            item["nick"],
            item["subscription"],
            item["ask"] == "subscribe",
            frozenset(item["groups"]),
        )
        for item in found
    }


async def by_line(server: Server, owner: Account) -> Roster:
    return {
        (row["jid"], row["name"], row["subscription"], row["asked"], frozenset(row["groups"]))
        for row in (await run_for_json(server, "roster", owner.jid))["rows"]
    }


async def shown(server: Server, client: ClientXMPP, owner: Account, boss: Operator) -> Roster:
    """Return a roster that everybody shows alike at this moment."""
    there = await by_xmpp(client)
    assert await by_xmpp(client, server.ejabberd.component) == there
    assert await over_http(server, owner) == there
    assert await by_line(server, owner) == there
    form = await boss.give(f"{ADMIN}#get-user-roster", {"accountjids": [owner.jid]})
    assert items(form.xml) == there
    return there


async def test_a_roster_is_the_same_for_its_owner_a_program_and_an_operator(
    showing: Server,
) -> None:
    """Add, rename, group, subscribe, remove, by slixmpp."""
    alice, bob = showing.accounts("alice", "bob")
    port = showing.ejabberd.ports.c2s
    async with (
        slixmpp_client(alice, port) as hers,
        slixmpp_client(bob, port) as his,
        operator(showing) as boss,
    ):
        asked, answered = asyncio.Event(), asyncio.Event()
        his.add_event_handler("changed_subscription", lambda _: asked.set())
        hers.add_event_handler("roster_update", lambda _: answered.set())
        for client in (hers, his):
            client.auto_authorize = None
            await client.get_roster()
        seen = [await shown(showing, hers, alice, boss)]
        for told_of in ({}, {"name": "Bob & Co"}, {"name": "Bob", "groups": ["Work", "<3"]}):
            await hers.update_roster(bob.jid, **told_of)
            seen.append(await shown(showing, hers, alice, boss))
        hers.send_presence_subscription(bob.jid, ptype="subscribe")
        await asyncio.wait_for(asked.wait(), 10)
        seen.append(await shown(showing, hers, alice, boss))
        answered.clear()
        his.send_presence_subscription(alice.jid, ptype="subscribed")
        await asyncio.wait_for(answered.wait(), 10)
        seen.append(await shown(showing, hers, alice, boss))
        await hers.del_roster_item(bob.jid)
        seen.append(await shown(showing, hers, alice, boss))

    none, groups = frozenset[str](), frozenset({"Work", "<3"})
    assert seen == [
        set(),
        {(bob.jid, "", "none", False, none)},
        {(bob.jid, "Bob & Co", "none", False, none)},
        {(bob.jid, "Bob", "none", False, groups)},
        {(bob.jid, "Bob", "none", True, groups)},
        {(bob.jid, "Bob", "to", False, groups)},
        set(),
    ]
