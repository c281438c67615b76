"""mod_mam of ejabberd beside Muniment: mod_mam archives rooms, and Muniment archives users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import mam
from support.ejabberd import Ejabberd
from support.muniment import Muniment
from support.releases import Release
from support.server import Server

#: mod_mam differs between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

STANZA_ID = "{urn:xmpp:sid:0}stanza-id"
#: mod_mam archives rooms, and no users by default.
CHANGES = {
    "default_room_options:": "default_room_options:\n      mam: true",
    "mod_adhoc: {}": "mod_adhoc: {}\n  mod_mam:\n    default: never",
}


@pytest.fixture
def server(tmp_path: Path, release: Release) -> Iterator[Server]:
    with (
        Ejabberd(tmp_path / "ejabberd", release, changes=CHANGES) as ejabberd,
        Muniment(tmp_path / "muniment", ejabberd) as muniment,
    ):
        yield Server(ejabberd, muniment)


async def test_mod_mam_answers_for_rooms_and_muniment_for_users(server: Server) -> None:
    alice, bob = server.accounts("alice", "bob")
    room = f"room@conference.{server.ejabberd.hosts[0]}"
    forged = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{bob.jid}' id='forged'/>"
    async with server.client(alice) as alice_client, server.client(bob) as bob_client:
        for client in (alice_client, bob_client):
            await client.be_available()
            await client.join(room, client.account.user)
        alice_client.say(room, "in the room", type="groupchat")
        live = await bob_client.wait_for_body("in the room")
        alice_client.say(bob.jid, "between us", extra=forged)
        await bob_client.wait_for_body("between us")

        [room_result] = await mam.everything(bob_client, to=room)
        results = await mam.everything(bob_client)

    stanza_id = live.find(STANZA_ID)
    assert stanza_id is not None
    assert (room_result.body, room_result.id) == ("in the room", stanza_id.get("id"))
    assert [result.body for result in results] == ["in the room", "between us"]
    by = [[id.get("by") for id in result.message.iter(STANZA_ID)] for result in results]
    assert by == [[room], []]
    # Ids of mod_mam are times in digits, those of Muniment are not.
    assert all(not result.id.isdigit() for result in results)
