"""ejabberd's own mod_mam beside the component: it keeps the rooms, we keep the users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import mam
from support.ejabberd import Ejabberd
from support.muniment import Muniment
from support.releases import Release
from support.server import Server

#: What it tests differs between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

STANZA_ID = "{urn:xmpp:sid:0}stanza-id"
MAM_FOR_ROOMS = "  mod_mam:\n    default: never\n"
ARCHIVED_ROOMS = "    default_room_options:\n      mam: true\n"


class WithMam(Ejabberd):
    """An ejabberd that keeps archives of its rooms itself."""

    def _config(self) -> str:
        config = super()._config().replace("    default_room_options:\n", ARCHIVED_ROOMS)
        assert ARCHIVED_ROOMS in config
        return config + MAM_FOR_ROOMS


@pytest.fixture
def hybrid(tmp_path: Path, release: Release) -> Iterator[Server]:
    with (
        WithMam(tmp_path / "ejabberd", release) as ejabberd,
        Muniment(tmp_path / "muniment", ejabberd) as muniment,
    ):
        yield Server(ejabberd, muniment)


async def test_mod_mam_answers_for_rooms_and_muniment_for_users(hybrid: Server) -> None:
    alice, bob = hybrid.accounts("alice", "bob")
    room = f"room@conference.{hybrid.ejabberd.hosts[0]}"
    forged = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{bob.jid}' id='forged'/>"
    async with hybrid.client(alice) as hers, hybrid.client(bob) as his:
        for client in (hers, his):
            await client.be_available()
            await client.join(room, client.account.user)
        hers.say(room, "in the room", type="groupchat")
        in_room = await his.wait_for_body("in the room")
        hers.say(bob.jid, "between us", extra=forged)
        await his.wait_for_body("between us")

        [of_room] = await mam.everything(his, to=room)
        of_bob = await mam.everything(his)

    given = in_room.find(STANZA_ID)
    assert given is not None
    assert (of_room.body, of_room.id) == ("in the room", given.get("id"))
    assert [one.body for one in of_bob] == ["in the room", "between us"]
    by = [[id.get("by") for id in one.message.iter(STANZA_ID)] for one in of_bob]
    assert by == [[room], []]
    # An archive of its own would know it by a time.
    assert all(not one.id.isdigit() for one in of_bob)
