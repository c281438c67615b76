"""Commands on a real ejabberd: by ad-hoc commands of slixmpp, and in a shell."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from slixmpp.exceptions import IqError
from support import mam
from support.command_clients import ADMIN, BOSS, OPERATORS, line, operator, run_for_json, typed
from support.muniment import ACCOUNTS
from support.raw import Client
from support.releases import Release
from support.server import Server


@pytest.fixture(scope="module")
def operated(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Server]:
    """ejabberd and Muniment, with an operator who is a user of ejabberd."""
    with Server.running(
        tmp_path_factory.mktemp("commands"), release, {**OPERATORS, **ACCOUNTS}
    ) as running:
        running.ejabberd.register(BOSS)
        yield running


async def chat(alice: Client, bob: Client, count: int) -> None:
    """Have alice send `count` messages to bob."""
    await bob.be_available()
    for number in range(count):
        alice.say(bob.account.jid, f"message {number}")
        await bob.wait_for_body(f"message {number}")


async def test_operators_discover_their_commands(operated: Server) -> None:
    alice = operated.account("alice")
    async with operator(operated) as boss:
        operator_nodes = await boss.nodes()
    async with operator(operated, alice) as user:
        user_nodes = await user.nodes()
        with pytest.raises(IqError, match="forbidden"):
            await user.give("muniment#statistics")

    assert {f"{ADMIN}#add-user", "muniment#erase", "muniment#statistics"} <= operator_nodes
    assert user_nodes == {"urn:xmpp:mam#configure"}


async def test_archive_is_counted_exported_and_erased(operated: Server, tmp_path: Path) -> None:
    alice, bob = operated.accounts("alice", "bob")
    async with operated.client(alice) as alice_client, operated.client(bob) as bob_client:
        await chat(alice_client, bob_client, 3)
        path = tmp_path / "bob.jsonl"
        async with operator(operated) as boss:
            counted = await boss.give("muniment#count", {"owner": alice.jid})
            exported = await boss.give("muniment#export", {"owner": alice.jid})
            export = line(operated, "export", bob.jid, "--output", str(path))
            by_line = await run_for_json(operated, "count", alice.jid)
            erased = await boss.give("muniment#erase", {"owner": alice.jid})

        assert counted["form"].get_values()["messages"] == "3"
        assert by_line["values"]["messages"] == 3
        assert len(exported["form"].get_values()["archive"]) == 3
        assert (export.returncode, len(path.read_text().splitlines())) == (0, 3)
        assert erased["form"].get_values()["messages"] == "3"
        assert (await mam.bodies(alice_client), len(await mam.bodies(bob_client))) == ([], 3)


async def test_erase_on_a_terminal_asks_for_the_address(
    operated: Server,
) -> None:
    alice, bob = operated.accounts("alice", "bob")
    async with operated.client(alice) as alice_client, operated.client(bob) as bob_client:
        await chat(alice_client, bob_client, 2)

    outcomes = []
    for answer in ("yes\n", f"{alice.jid}\n"):
        code, screen = await asyncio.to_thread(
            typed, operated, "erase", alice.jid, answers=[answer]
        )
        count = (await run_for_json(operated, "count", alice.jid))["values"]["messages"]
        outcomes.append((code, count))
        assert f"This erases the archive of {alice.jid} with 2 messages" in screen
    without_terminal = line(operated, "erase", bob.jid)

    assert outcomes == [(3, 2), (0, 0)]
    assert (without_terminal.returncode, without_terminal.stdout) == (3, "")


async def test_accounts_are_created_and_removed(operated: Server) -> None:
    jids = [f"{name}@one.test" for name in ("ann", "ben")]
    async with operator(operated) as boss:
        account = {"accountjid": jids[0], "password": "x", "password-verify": "x"}
        await boss.give(f"{ADMIN}#add-user", account)
        with pytest.raises(IqError, match="conflict"):
            await boss.give(f"{ADMIN}#add-user", account)
        await run_for_json(operated, "add-user", jids[1], stdin="a password\n")
        await boss.give(f"{ADMIN}#disable-user", {"accountjids": [jids[1]]})
        listed = (await boss.give(f"{ADMIN}#get-registered-users-list"))["form"].get_values()
        disabled = await run_for_json(operated, "disabled-users")
        await boss.give(f"{ADMIN}#delete-user", {"accountjids": jids})
        number = (await boss.give(f"{ADMIN}#get-registered-users-num"))["form"].get_values()

    assert listed["registereduserjids"] == jids
    assert disabled["values"]["disableduserjids"] == jids[1:]
    assert number["registeredusersnum"] == "0"


async def test_roster_command_returns_the_roster_of_ejabberd(operated: Server) -> None:
    alice, bob = operated.accounts("alice", "bob")
    async with operated.client(alice) as alice_client, operator(operated) as boss:
        await alice_client.ask(
            "set",
            f"<query xmlns='jabber:iq:roster'><item jid='{bob.jid}' name='Bob'>"
            "<group>Friends</group></item></query>",
        )
        form = await boss.give(f"{ADMIN}#get-user-roster", {"accountjids": [alice.jid]})
        by_line = await run_for_json(operated, "roster", alice.jid)

    [item] = form.xml.iter("{jabber:iq:roster}item")
    assert (item.get("jid"), item.get("name"), item[0].text) == (bob.jid, "Bob", "Friends")
    [row] = by_line["rows"]
    assert (row["jid"], row["name"], row["groups"]) == (bob.jid, "Bob", ["Friends"])


async def test_messages_are_archived_after_reconnect(operated: Server) -> None:
    alice, bob = operated.accounts("alice", "bob")
    muniment = operated.muniment
    async with operated.client(alice) as alice_client, operated.client(bob) as bob_client:
        before = muniment.log.count("connected to ")
        async with operator(operated) as boss:
            reconnect = await boss.give("muniment#reconnect")
        await asyncio.to_thread(
            muniment.wait_until,
            lambda: muniment.log.count("connected to ") > before and muniment.is_ready(),
            "is connected again",
        )
        await chat(alice_client, bob_client, 1)

        assert reconnect["status"] == "completed"
        assert await mam.bodies(alice_client) == ["message 0"]


async def test_archives_command_prints_a_table(operated: Server) -> None:
    alice, bob = operated.accounts("alice", "bob")
    async with operated.client(alice) as alice_client, operated.client(bob) as bob_client:
        await chat(alice_client, bob_client, 1)
        await mam.bodies(alice_client)
    command = await asyncio.to_thread(line, operated, "archives", "--max-items", "1000")

    head, *rows = [row.split() for row in command.stdout.splitlines()]
    assert (command.returncode, head[0]) == (0, "OWNER")
    assert [alice.jid, "1"] in [row[:2] for row in rows]


def test_command_fails_at_once_if_the_program_is_stopped(own_server: Server) -> None:
    own_server.muniment.stop()
    command = line(own_server, "users")

    assert (command.returncode, command.stdout) == (75, "")
    assert "does not answer" in command.stderr
