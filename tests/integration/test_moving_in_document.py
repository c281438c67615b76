"""The commands of docs/moving-in.md lead from mod_mam to Muniment.

They run as those of docs/operations.md do, in the place of root, of muniment and of systemctl.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from integration.test_operations import COMPONENT, HOSTS, Machine
from support import mam
from support.ejabberd import Ejabberd
from support.history import TEXTS, make_history
from support.mod_mam import WithSqlArchive
from support.raw import Client
from support.releases import Release
from support.shell_blocks import OPERATIONS, ROOT, shell_blocks

DOCUMENT = ROOT / "docs" / "moving-in.md"


async def test_commands_lead_from_mod_mam_to_muniment(tmp_path: Path, release: Release) -> None:
    old = WithSqlArchive(tmp_path / "old", release, is_multihost=False, hosts=HOSTS)
    new = Ejabberd(tmp_path / "new", release, hosts=HOSTS, component=COMPONENT)
    machine = Machine(tmp_path / "root", new)
    database = machine.place("/var/lib/ejabberd/ejabberd.db")
    database.parent.mkdir()
    database.symlink_to(old.database)
    machine.shell(shell_blocks(OPERATIONS, "Install")[0])
    machine.shell("editor /etc/muniment/muniment.toml")
    new.secret = machine.place("/etc/muniment/xmpp-secret").read_text().strip()
    first, second, start, compare = shell_blocks(DOCUMENT, "From mod_mam to Muniment")

    with old:
        history = await make_history(old)
        dry_and_real = await asyncio.to_thread(machine.shell, first)
        # Alice has let the server archive no more of this.
        async with Client(history.bob, old.ports.c2s) as client:
            client.say(history.alice.jid, "just before the end")
            seen = (await mam.query(client, max=1, before="")).results[-1]
    delta = await asyncio.to_thread(machine.shell, second)
    with new:
        new.register(history.alice, history.bob)
        await asyncio.to_thread(machine.shell, start)
        try:
            await asyncio.to_thread(machine.wait_until_ready)
            compared = await asyncio.to_thread(machine.shell, compare)
            async with Client(history.bob, new.ports.c2s) as client:
                await client.be_available()
                client.say(history.bob.jid, "in the new archive")
                await client.wait_for_body("in the new archive")
                newer = await mam.query(client, after=seen.id)
                all_bodies = await mam.bodies(client)
        finally:
            await asyncio.to_thread(machine.shell, "systemctl stop muniment")

    count = 2 * len(TEXTS)
    assert f"{count} messages would be added to 2 archives" in dry_and_real
    assert f"{count} messages were added to 2 archives" in dry_and_real
    assert "Verified: nothing is missing." in dry_and_real
    assert f"1 message was added to 1 archive, {count} were there already." in delta
    assert "2 archives compared, 0 with differences." in compared
    assert f"no fault in {count + 1} messages" in compared
    assert newer.bodies == ["in the new archive"]
    assert all_bodies == [*TEXTS, "just before the end", "in the new archive"]
