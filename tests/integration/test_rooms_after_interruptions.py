"""Rooms on a real ejabberd, and who reads them after Muniment was away."""

from __future__ import annotations

from uuid import uuid4

import pytest
from support import mam
from support.mam_payloads import archive_at
from support.raw import Client
from support.room import CONFIG, NS_MUC, joined_anew
from support.server import Server

SERVICE = "conference.one.test"
OPTIONS = {"archive": {"room_services": [SERVICE]}}
PERSISTENT = (
    f"<query xmlns='{NS_MUC}#owner'><x xmlns='jabber:x:data' type='submit'>"
    f"<field var='FORM_TYPE'><value>{CONFIG}</value></field>"
    "<field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query>"
)


async def leave(client: Client, room: str, nick: str) -> None:
    """Leave, and wait until it is known."""
    client.send(f"<presence type='unavailable' to='{room}/{nick}'/>")
    await client.wait_for_next(
        lambda stanza: (
            stanza.get("type") == "unavailable" and stanza.get("from") == f"{room}/{nick}"
        )
    )


async def say(client: Client, room: str, body: str) -> None:
    client.say(room, body, type="groupchat")
    await client.wait_for_body(body)


@pytest.mark.parametrize("own_server", [OPTIONS], indirect=True)
async def test_who_makes_a_room_while_muniment_is_away_reads_nothing_of_the_one_before(
    own_server: Server,
) -> None:
    alice, mallory = own_server.accounts("alice", "mallory")
    room = f"room-{uuid4().hex[:8]}@{SERVICE}"
    archive = archive_at(own_server.ejabberd.component, room)
    async with own_server.client(alice) as a, own_server.client(mallory) as m:
        for client in (a, m):
            await client.be_available()
        await a.join(room, "ally")
        await say(a, room, "between us")
        assert await mam.bodies(a, to=archive) == ["between us"]
        own_server.muniment.kill()
        await leave(a, room, "ally")
        await joined_anew(m, room, "mallory")
        await m.ask("set", PERSISTENT, to=room)
        own_server.muniment.start()

        assert await mam.bodies(m, to=archive) == []
        await say(m, room, "mine now")
        assert await mam.bodies(m, to=archive) == ["mine now"]
        assert await mam.bodies(a) == ["between us"]


@pytest.mark.parametrize("own_server", [OPTIONS], indirect=True)
async def test_a_persistent_room_is_read_as_before_after_a_restart(own_server: Server) -> None:
    alice, bob = own_server.accounts("alice", "bob")
    room = f"room-{uuid4().hex[:8]}@{SERVICE}"
    archive = archive_at(own_server.ejabberd.component, room)
    async with own_server.client(alice) as a, own_server.client(bob) as b:
        await a.be_available()
        await a.join(room, "ally")
        await a.ask("set", PERSISTENT, to=room)
        await say(a, room, "for everybody")
        await leave(a, room, "ally")
        assert await mam.bodies(a, to=archive) == ["for everybody"]
        own_server.muniment.restart()

        assert await mam.bodies(b, to=archive) == ["for everybody"]
