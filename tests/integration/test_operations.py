"""The commands of the operator guide and of docs/operations.md run word by word.

The guide begins in an empty folder, beside an ejabberd with the ejabberd.yml of Debian. What
docs/operations.md says of backups, upgrades and retention is done with what the guide has made.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import mam
from support.debian_ejabberd import HOST
from support.ejabberd import Account
from support.machine import Machine
from support.raw import Client
from support.releases import Release
from support.shell_blocks import OPERATIONS, OPERATOR_GUIDE, shell_blocks
from support.stanzas import Refused

ALICE, BOB = Account("alice", HOST, "pencil"), Account("bob", HOST, "crayon")


@dataclass(frozen=True)
class Installed:
    """A machine on which the guide was followed up to the first message, and what it printed."""

    machine: Machine
    old_archive: str
    doctor: str


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Installed]:
    machine = Machine(tmp_path_factory.mktemp("root"), release)
    [install] = shell_blocks(OPERATOR_GUIDE, "Install")
    [look] = shell_blocks(OPERATOR_GUIDE, "Decide about the old archive")
    options, start, doctor = shell_blocks(OPERATOR_GUIDE, "Connect")
    register, _ = shell_blocks(OPERATOR_GUIDE, "See it work")
    with machine.ejabberd:
        try:
            machine.shell(install)
            old_archive = machine.shell(look)
            machine.shell(options)
            machine.shell(start)
            machine.wait_until_ready()
            found = machine.shell(doctor)
            machine.shell(register)
            yield Installed(machine, old_archive, found)
        finally:
            machine.stop()


@pytest.fixture(scope="module")
def machine(installed: Installed) -> Machine:
    return installed.machine


async def say(machine: Machine, text: str) -> None:
    """Have alice send a message to bob, and return after it is archived."""
    port, tls = machine.ejabberd.ports.c2s, machine.ejabberd.tls
    async with (
        Client(ALICE, port, tls=tls) as alice_client,
        Client(BOB, port, tls=tls) as bob_client,
    ):
        await bob_client.be_available()
        alice_client.say(BOB.jid, text)
        await bob_client.wait_for_body(text)
        # Muniment answers after it has stored what came before.
        assert text in await mam.bodies(alice_client)


def count(machine: Machine) -> str:
    """Return the output of the command that counts the archive of alice, without the owner."""
    return machine.shell(f"muniment count {ALICE.jid}").partition(f"owner     {ALICE.jid}\n")[2]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def copies(machine: Machine) -> list[Path]:
    return sorted(machine.place("/var/backups/muniment").iterdir())


def test_installed_files_are_private_to_their_user(machine: Machine) -> None:
    etc, data = machine.place("/etc/muniment"), machine.place("/var/lib/muniment")

    assert {path.name: mode(path) for path in etc.iterdir()} == {
        "muniment.toml": 0o640,
        "xmpp-secret": 0o640,
        "http-secret": 0o640,
    }
    assert (mode(etc), mode(data), mode(data / "muniment.db")) == (0o750, 0o700, 0o600)
    assert mode(machine.place("/etc/ejabberd/muniment.yml")) == 0o640


def test_ejabberd_of_debian_has_no_archive_and_grants_all(installed: Installed) -> None:
    lines = installed.old_archive.splitlines()

    assert lines
    assert all(line.partition("  ")[2].startswith("##") for line in lines[:7])
    assert "error" not in installed.doctor
    assert "delegation" in installed.doctor


async def test_first_message_is_counted_and_found(machine: Machine) -> None:
    await say(machine, "hello")

    _, see = shell_blocks(OPERATOR_GUIDE, "See it work")
    printed = machine.shell(see)
    counted, _, page = printed.partition("{")
    assert "messages  1\n" in counted
    assert [message["body"] for message in json.loads("{" + page)["messages"]] == ["hello"]


async def test_commands_ask_the_running_service(machine: Machine) -> None:
    check = machine.shell("runuser -u muniment -- muniment check-config")

    assert "ok  running: Muniment answers" in check
    assert ("warn" in check, "bad" in check) == (False, False)
    [block] = shell_blocks(OPERATIONS, "Run")
    assert f"owner     {ALICE.jid}\nmessages  1\n" in machine.shell(block)


async def test_limit_of_a_year_deletes_no_new_message(machine: Machine) -> None:
    limit, purge = shell_blocks(OPERATOR_GUIDE, "Limit")
    await say(machine, "young")
    before = count(machine)

    machine.shell(limit)
    machine.wait_until_reloaded("retention.days")
    printed = machine.shell(purge)

    assert "days = 365\n" in machine.place("/etc/muniment/muniment.toml").read_text()
    assert count(machine) == before
    assert "released_bytes" in printed.lower()


def test_backup_of_the_guide_is_that_of_the_page() -> None:
    assert shell_blocks(OPERATOR_GUIDE, "Back up") == shell_blocks(OPERATIONS, "Backup")[:1]


async def test_restored_backup_has_the_messages_of_its_time(machine: Machine) -> None:
    backup, restore = shell_blocks(OPERATIONS, "Backup")
    await say(machine, "kept")
    before = count(machine)
    machine.shell(backup)
    machine.shell(backup)
    await say(machine, "lost")
    assert count(machine) != before

    machine.shell(restore)
    machine.wait_until_ready()

    assert count(machine) == before
    assert [mode(path) for path in copies(machine)] == [0o600, 0o600]
    assert mode(machine.place("/var/lib/muniment/muniment.db")) == 0o600


async def test_rule_and_purge_leave_the_newest_message(machine: Machine) -> None:
    [block] = shell_blocks(OPERATIONS, "Retention")
    await say(machine, "older")
    await say(machine, "newest")

    machine.shell(block)

    [see] = shell_blocks(OPERATOR_GUIDE, "See it work")[1:]
    left = machine.shell(see.replace("?search=hello", "?search=newest"))
    assert "messages  1\n" in left
    assert '"body":"newest"' in left


async def test_upgrade_keeps_the_archive(machine: Machine) -> None:
    [upgrade] = shell_blocks(OPERATIONS, "Upgrade")
    await say(machine, "older")
    before = count(machine)

    running = machine.processes
    check = machine.shell(upgrade)
    machine.wait_until_taken_over(running)

    assert "ok  running: Muniment answers" in check
    assert count(machine) == before


async def test_room_sends_its_latest_messages_and_has_no_archive(machine: Machine) -> None:
    room = f"garden@conference.{HOST}"
    port, tls = machine.ejabberd.ports.c2s, machine.ejabberd.tls
    async with Client(ALICE, port, tls=tls) as alice, Client(BOB, port, tls=tls) as bob:
        await alice.join(room, "alice")
        alice.say(room, "before bob", type="groupchat")
        await alice.wait_for_body("before bob")

        await bob.join(room, "bob")

        await bob.wait_for_body("before bob")
        with pytest.raises(Refused):
            await mam.query(bob, to=room)
        assert "before bob" in await mam.bodies(alice)
