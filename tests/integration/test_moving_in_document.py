"""The commands of docs/moving-in.md lead from mod_mam to Muniment, with Debian's ejabberd.yml."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from support import mam
from support.history import TEXTS, make_history
from support.machine import Machine
from support.raw import Client
from support.releases import Release
from support.shell_blocks import OPERATOR_GUIDE, ROOT, shell_blocks

DOCUMENT = ROOT / "docs" / "moving-in.md"

ROOM_TEXTS = ["in the room", "so am I"]


async def test_commands_lead_from_mod_mam_to_muniment(tmp_path: Path, release: Release) -> None:
    machine = Machine(tmp_path, release)
    ejabberd = machine.ejabberd
    ejabberd.enable_mod_mam(sql=True)
    port, tls = ejabberd.ports.c2s, ejabberd.tls
    machine.shell(shell_blocks(OPERATOR_GUIDE, "Install")[0])
    [look] = shell_blocks(OPERATOR_GUIDE, "Decide about the old archive")
    connect, _, doctor = shell_blocks(OPERATOR_GUIDE, "Connect")
    first, second, start, compare = shell_blocks(DOCUMENT, "From mod_mam to Muniment")

    with ejabberd:
        history = await make_history(ejabberd, tls=tls)
        old = await asyncio.to_thread(machine.shell, look)
        dry_and_real = await asyncio.to_thread(machine.shell, first)
        # Alice has let the server archive no more of this.
        async with Client(history.bob, port, tls=tls) as client:
            client.say(history.alice.jid, "just before the end")
            seen = (await mam.query(client, max=1, before="")).results[-1]
    delta = await asyncio.to_thread(machine.shell, second)
    await asyncio.to_thread(machine.shell, connect)
    await asyncio.to_thread(machine.shell, start)
    try:
        with ejabberd:
            await asyncio.to_thread(machine.wait_until_ready)
            found = await asyncio.to_thread(machine.shell, doctor)
            compared = await asyncio.to_thread(machine.shell, compare)
            async with Client(history.bob, port, tls=tls) as client:
                await client.be_available()
                client.say(history.bob.jid, "in the new archive")
                await client.wait_for_body("in the new archive")
                newer = await mam.query(client, after=seen.id)
                all_bodies = await mam.bodies(client)
                await client.join(history.room, "bob")
                client.say(history.room, "still here", type="groupchat")
                await client.wait_for_body("still here")
                room_bodies = await mam.bodies(client, to=history.room)
    finally:
        await asyncio.to_thread(machine.stop)

    count = 2 * len(TEXTS)
    assert "    default: always\n" in old + "\n"
    assert f"{count} messages would be added to 2 archives" in dry_and_real
    assert f"{count} messages were added to 2 archives" in dry_and_real
    assert "Verified: nothing is missing." in dry_and_real
    assert f"1 message was added to 1 archive, {count} were there already." in delta
    assert 'ignored_checks = ["mod-mam"]\n' in (
        machine.place("/etc/muniment/muniment.toml").read_text()
    )
    assert "error" not in found
    assert "2 archives compared, 0 with differences." in compared
    assert f"no fault in {count + 1} messages" in compared
    assert newer.bodies == ["in the new archive"]
    assert all_bodies == [*TEXTS, "just before the end", "in the new archive"]
    assert room_bodies == [*ROOM_TEXTS, "still here"]
    assert users_messages(machine.place("/var/lib/ejabberd/ejabberd.db")) == count + 1


async def test_archive_in_mnesia_is_written_as_sql_and_imported(
    tmp_path: Path, release: Release
) -> None:
    machine = Machine(tmp_path, release)
    ejabberd = machine.ejabberd
    ejabberd.enable_mod_mam(sql=False)
    machine.shell(shell_blocks(OPERATOR_GUIDE, "Install")[0])
    set_up, write, stop = shell_blocks(DOCUMENT, "From mod_mam in Mnesia")

    with ejabberd:
        history = await make_history(ejabberd, tls=ejabberd.tls)
        await asyncio.to_thread(machine.shell, set_up)
        ejabberd.restart()
        first = await asyncio.to_thread(machine.shell, write)
        async with Client(history.bob, ejabberd.ports.c2s, tls=ejabberd.tls) as client:
            client.say(history.alice.jid, "just before the end")
            await mam.query(client, max=1)
        second = await asyncio.to_thread(machine.shell, write)
        machine.shell(stop)
    machine.stop()

    count = 2 * len(TEXTS)
    assert f"{count} messages were added to 2 archives" in first
    assert "Verified: nothing is missing." in first
    assert f"1 message was added to 1 archive, {count} were there already." in second


def users_messages(database: Path) -> int:
    """Return the number of messages that are in ejabberd's own archives of users."""
    connection = sqlite3.connect(database)
    try:
        [[count]] = connection.execute("SELECT count(*) FROM archive WHERE kind = 'chat'")
    finally:
        connection.close()
    return int(count)
