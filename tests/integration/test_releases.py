"""Differences between the releases of ejabberd, as docs/operations.md lists them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import mam
from support.ejabberd import Account, Ejabberd
from support.external_component import connected
from support.raw import Client
from support.releases import Release
from support.server import Server

pytestmark = pytest.mark.every_ejabberd

OTHER, SECRET = "transport.test", "of both components"

#: The change of ejabberd.yml that adds a second component beside Muniment.
TWO_COMPONENTS = {
    'password: "change-me"': f"password: {SECRET}\n      {OTHER}:\n        password: {SECRET}"
}


@pytest.fixture
def ejabberd(tmp_path: Path, release: Release) -> Iterator[Ejabberd]:
    with Ejabberd(tmp_path, release, changes=TWO_COMPONENTS) as running:
        yield running


@pytest.mark.parametrize(
    "own_server",
    [{"xmpp": {"ping_interval_seconds": 1, "ping_timeout_seconds": 1}}],
    indirect=True,
)
async def test_idle_connection_is_kept(own_server: Server) -> None:
    """24.10 and 24.12 drop IQs of a component to the domain of a virtual host."""
    await asyncio.sleep(5)
    alice, bob = own_server.accounts("alice", "bob")
    async with own_server.client(alice) as alice_client, own_server.client(bob) as bob_client:
        await bob_client.be_available()
        alice_client.say(bob.jid, "hello")
        await bob_client.wait_for_body("hello")

        assert await mam.bodies(alice_client) == ["hello"]
    assert "does not answer" not in own_server.muniment.log
    assert own_server.muniment.log.count("connected to") == 1


async def test_pings_of_another_component_to_rooms_are_dropped_beside_mod_privilege(
    ejabberd: Ejabberd,
) -> None:
    """From 24.10 on ejabberd drops them once a component with privileges is connected; 24.12 also
    drops pings to users."""
    host = ejabberd.hosts[0]
    users = {host, f"nobody@{host}"}
    rooms = {f"conference.{host}", f"room@conference.{host}"}
    async with (
        connected(ejabberd.ports.component, ejabberd.component, SECRET) as privileged,
        connected(ejabberd.ports.component, OTHER, SECRET) as transport,
    ):
        # mod_privilege drops pings only after the component has its privileges.
        await privileged.wait_for_privileges()
        answered = await transport.pinged(*users, *rooms, seconds=2)

    if ejabberd.release.has_iq_privilege:
        assert answered.isdisjoint(rooms)
    else:
        assert answered == users | rooms


async def test_message_sent_by_privilege_is_copied_twice_by_new_releases(
    ejabberd: Ejabberd,
) -> None:
    """From 23.10 on mod_service_log makes two copies of a message that a component sends as a
    user."""
    host = ejabberd.hosts[0]
    bob = Account("bob", host, SECRET)
    ejabberd.register(bob)
    is_newest = ejabberd.release.has_iq_privilege
    async with (
        connected(ejabberd.ports.component, ejabberd.component, SECRET) as component,
        Client(bob, ejabberd.ports.c2s) as bob_client,
    ):
        component.send(
            f"<message from='{ejabberd.component}' to='{host}'>"
            f"<privilege xmlns='urn:xmpp:privilege:{2 if is_newest else 1}'>"
            "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' id='m1'"
            f" from='{bob.jid}' to='{bob_client.jid}'><x xmlns='test'/></message>"
            "</forwarded></privilege></message>"
        )
        await bob_client.wait_for(lambda stanza: stanza.get("id") == "m1")
        await asyncio.sleep(1)
        message = ".//{jabber:client}message[@id='m1']"
        copies = [copy for copy in component.received if copy.find(message) is not None]

    assert len(copies) == (2 if is_newest else 1)
