"""Commands on a real ejabberd: given by slixmpp's forms, and by our command in a shell."""

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
    """Both programs, and an operator who is a user of ejabberd."""
    with Server.running(
        tmp_path_factory.mktemp("commands"), release, {**OPERATORS, **ACCOUNTS}
    ) as running:
        running.ejabberd.register(BOSS)
        yield running


async def chat(hers: Client, his: Client, count: int) -> None:
    """Have alice say so much to bob."""
    await his.be_available()
    for number in range(count):
        hers.say(his.account.jid, f"message {number}")
        await his.wait_for_body(f"message {number}")


async def test_operators_discover_their_commands(operated: Server) -> None:
    alice = operated.account("alice")
    async with operator(operated) as boss:
        theirs = await boss.nodes()
    async with operator(operated, alice) as somebody:
        hers = await somebody.nodes()
        with pytest.raises(IqError, match="forbidden"):
            await somebody.give("muniment#statistics")

    assert {f"{ADMIN}#add-user", "muniment#erase", "muniment#statistics"} <= theirs
    assert hers == {"urn:xmpp:mam#configure"}


async def test_archive_is_counted_exported_and_erased(operated: Server, tmp_path: Path) -> None:
    alice, bob = operated.accounts("alice", "bob")
    async with operated.client(alice) as hers, operated.client(bob) as his:
        await chat(hers, his, 3)
        path = tmp_path / "bob.jsonl"
        async with operator(operated) as boss:
            counted = await boss.give("muniment#count", {"owner": alice.jid})
            exported = await boss.give("muniment#export", {"owner": alice.jid})
            written = line(operated, "export", bob.jid, "--output", str(path))
            by_line = await run_for_json(operated, "count", alice.jid)
            erased = await boss.give("muniment#erase", {"owner": alice.jid})

        assert counted["form"].get_values()["messages"] == "3"
        assert by_line["values"]["messages"] == 3
        assert len(exported["form"].get_values()["archive"]) == 3
        assert (written.returncode, len(path.read_text().splitlines())) == (0, 3)
        assert erased["form"].get_values()["messages"] == "3"
        assert (await mam.bodies(hers), len(await mam.bodies(his))) == ([], 3)


async def test_erase_on_a_terminal_asks_for_the_address(
    operated: Server,
) -> None:
    alice, bob = operated.accounts("alice", "bob")
    async with operated.client(alice) as hers, operated.client(bob) as his:
        await chat(hers, his, 2)

    codes = []
    for answer in ("yes\n", f"{alice.jid}\n"):
        code, shown = await asyncio.to_thread(
            typed, operated, "erase", alice.jid, answers=[answer]
        )
        left = (await run_for_json(operated, "count", alice.jid))["values"]["messages"]
        codes.append((code, left))
        assert f"This erases the archive of {alice.jid} with 2 messages" in shown
    unasked = line(operated, "erase", bob.jid)

    assert codes == [(3, 2), (0, 0)]
    assert (unasked.returncode, unasked.stdout) == (3, "")


async def test_accounts_are_created_and_removed(operated: Server) -> None:
    jids = [f"{name}@one.test" for name in ("ann", "ben")]
    async with operator(operated) as boss:
        made = {"accountjid": jids[0], "password": "x", "password-verify": "x"}
        await boss.give(f"{ADMIN}#add-user", made)
        with pytest.raises(IqError, match="conflict"):
            await boss.give(f"{ADMIN}#add-user", made)
        await run_for_json(operated, "add-user", jids[1], stdin="a password\n")
        await boss.give(f"{ADMIN}#disable-user", {"accountjids": [jids[1]]})
        listed = (await boss.give(f"{ADMIN}#get-registered-users-list"))["form"].get_values()
        disabled = await run_for_json(operated, "disabled-users")
        await boss.give(f"{ADMIN}#delete-user", {"accountjids": jids})
        left = (await boss.give(f"{ADMIN}#get-registered-users-num"))["form"].get_values()

    assert listed["registereduserjids"] == jids
    assert disabled["values"]["disableduserjids"] == jids[1:]
    assert left["registeredusersnum"] == "0"


async def test_roster_command_returns_the_roster_of_ejabberd(operated: Server) -> None:
    alice, bob = operated.accounts("alice", "bob")
    async with operated.client(alice) as hers, operator(operated) as boss:
        await hers.ask(
            "set",
            f"<query xmlns='jabber:iq:roster'><item jid='{bob.jid}' name='Bob'>"
            "<group>Friends</group></item></query>",
        )
        shown = await boss.give(f"{ADMIN}#get-user-roster", {"accountjids": [alice.jid]})
        by_line = await run_for_json(operated, "roster", alice.jid)

    [item] = shown.xml.iter("{jabber:iq:roster}item")
    assert (item.get("jid"), item.get("name"), item[0].text) == (bob.jid, "Bob", "Friends")
    [row] = by_line["rows"]
    assert (row["jid"], row["name"], row["groups"]) == (bob.jid, "Bob", ["Friends"])


async def test_messages_are_archived_after_reconnect(operated: Server) -> None:
    alice, bob = operated.accounts("alice", "bob")
    muniment = operated.muniment
    async with operated.client(alice) as hers, operated.client(bob) as his:
        before = muniment.log.count("connected to ")
        async with operator(operated) as boss:
            done = await boss.give("muniment#reconnect")
        await asyncio.to_thread(
            muniment.wait_until,
            lambda: muniment.log.count("connected to ") > before and muniment.is_ready(),
            "is connected again",
        )
        await chat(hers, his, 1)

        assert done["status"] == "completed"
        assert await mam.bodies(hers) == ["message 0"]


async def test_table_is_printed_for_people(operated: Server) -> None:
    alice, bob = operated.accounts("alice", "bob")
    async with operated.client(alice) as hers, operated.client(bob) as his:
        await chat(hers, his, 1)
        await mam.bodies(hers)
    done = await asyncio.to_thread(line, operated, "archives", "--max-items", "1000")

    head, *rows = [row.split() for row in done.stdout.splitlines()]
    assert (done.returncode, head[0]) == (0, "OWNER")
    assert [alice.jid, "1"] in [row[:2] for row in rows]


def test_command_fails_at_once_if_the_program_is_stopped(own_server: Server) -> None:
    own_server.muniment.stop()
    done = line(own_server, "users")

    assert (done.returncode, done.stdout) == (75, "")
    assert "does not answer" in done.stderr
