"""The right to read rooms of a real ejabberd after Muniment was down."""

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
    """Leave the room; return after the server has confirmed it."""
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
async def test_room_recreated_while_muniment_is_down_does_not_show_its_predecessor(
    own_server: Server,
) -> None:
    alice, mallory = own_server.accounts("alice", "mallory")
    room = f"room-{uuid4().hex[:8]}@{SERVICE}"
    archive = archive_at(own_server.ejabberd.component, room)
    async with (
        own_server.client(alice) as alice_client,
        own_server.client(mallory) as mallory_client,
    ):
        for client in (alice_client, mallory_client):
            await client.be_available()
        await alice_client.join(room, "ally")
        await say(alice_client, room, "between us")
        assert await mam.bodies(alice_client, to=archive) == ["between us"]
        own_server.muniment.kill()
        await leave(alice_client, room, "ally")
        await joined_anew(mallory_client, room, "mallory")
        await mallory_client.ask("set", PERSISTENT, to=room)
        own_server.muniment.start()

        assert await mam.bodies(mallory_client, to=archive) == []
        await say(mallory_client, room, "mine now")
        assert await mam.bodies(mallory_client, to=archive) == ["mine now"]
        assert await mam.bodies(alice_client) == ["between us"]


@pytest.mark.parametrize("own_server", [OPTIONS], indirect=True)
async def test_persistent_room_is_readable_after_restart(own_server: Server) -> None:
    alice, bob = own_server.accounts("alice", "bob")
    room = f"room-{uuid4().hex[:8]}@{SERVICE}"
    archive = archive_at(own_server.ejabberd.component, room)
    async with own_server.client(alice) as alice_client, own_server.client(bob) as bob_client:
        await alice_client.be_available()
        await alice_client.join(room, "ally")
        await alice_client.ask("set", PERSISTENT, to=room)
        await say(alice_client, room, "for everybody")
        await leave(alice_client, room, "ally")
        assert await mam.bodies(alice_client, to=archive) == ["for everybody"]
        own_server.muniment.restart()

        assert await mam.bodies(bob_client, to=archive) == ["for everybody"]
