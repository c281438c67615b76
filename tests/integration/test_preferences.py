"""Archiving preferences (XEP-0441) on a real ejabberd with its rosters."""

from __future__ import annotations

import asyncio
from xml.etree.ElementTree import Element

import pytest
from support import mam
from support.raw import Client
from support.server import Server
from support.stanzas import Refused

MAM = "{urn:xmpp:mam:2}"
COMMANDS = "{http://jabber.org/protocol/commands}"
CONFIGURE = "urn:xmpp:mam#configure"


async def set_preferences(
    client: Client, default: str, *, always: str = "", never: str = ""
) -> Element:
    """Set preferences with at most one JID in each list, and return the response."""
    lists = "".join(
        f"<{name}>{f'<jid>{jid}</jid>' if jid else ''}</{name}>"
        for name, jid in (("always", always), ("never", never))
    )
    return await client.ask(
        "set", f"<prefs xmlns='urn:xmpp:mam:2' default='{default}'>{lists}</prefs>"
    )


async def default_preference(client: Client) -> str | None:
    response = await client.ask("get", "<prefs xmlns='urn:xmpp:mam:2'/>")
    prefs = response.find(f"{MAM}prefs")
    assert prefs is not None
    return prefs.get("default")


async def set_contact(client: Client, jid: str, subscription: str = "") -> None:
    """Set the roster item of a contact, or remove it."""
    await client.ask(
        "set", f"<query xmlns='jabber:iq:roster'><item jid='{jid}'{subscription}/></query>"
    )


async def test_default_never_archives_nothing_for_its_user(server: Server) -> None:
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as alice_client, server.client(bob) as bob_client:
        await bob_client.be_available()
        await set_preferences(alice_client, "never")
        alice_client.say(bob.jid, "to bob")
        await bob_client.wait_for_body("to bob")

        assert await mam.bodies(alice_client) == []
        assert await mam.bodies(bob_client) == ["to bob"]


async def test_lists_take_precedence_over_the_default(server: Server) -> None:
    alice, bob, carol = server.accounts("alice", "bob", "carol@2")
    async with (
        server.client(alice) as alice_client,
        server.client(bob) as bob_client,
        server.client(carol) as carol_client,
    ):
        await alice_client.be_available()
        await set_preferences(alice_client, "never", always=carol.jid)
        await set_preferences(bob_client, "always", never=alice.jid)
        bob_client.say(alice.jid, "from bob")
        carol_client.say(alice.jid, "from carol")
        await alice_client.wait_for_bodies(["from bob", "from carol"])

        archives = [
            await mam.bodies(client) for client in (alice_client, bob_client, carol_client)
        ]
        assert archives == [["from carol"], [], ["from carol"]]


async def test_roster_default_follows_roster_changes(server: Server) -> None:
    """Messages with a peer are archived while the peer is on the roster."""
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as alice_client, server.client(bob) as bob_client:
        await alice_client.be_available()
        await bob_client.be_available()
        await alice_client.ask("get", "<query xmlns='jabber:iq:roster'/>")
        await set_preferences(alice_client, "roster")
        for number in range(3):
            bob_client.say(alice.jid, f"from bob {number}")
            await alice_client.wait_for_body(f"from bob {number}")
            alice_client.say(bob.jid, f"to bob {number}")
            await bob_client.wait_for_body(f"to bob {number}")
            # The query returns after the decision about the message, so before the next change.
            await mam.bodies(alice_client)
            await set_contact(alice_client, bob.jid, " subscription='remove'" if number else "")

        assert await mam.bodies(alice_client) == ["from bob 1", "to bob 1"]
        assert len(await mam.bodies(bob_client)) == 6


async def test_preferences_survive_a_restart(own_server: Server) -> None:
    alice, bob = own_server.accounts("alice", "bob")
    async with own_server.client(alice) as alice_client, own_server.client(bob) as bob_client:
        await bob_client.be_available()
        await set_preferences(alice_client, "never")
        await asyncio.to_thread(own_server.muniment.restart)
        alice_client.say(bob.jid, "to bob")
        await bob_client.wait_for_body("to bob")

        assert (await default_preference(alice_client), await mam.bodies(alice_client)) == (
            "never",
            [],
        )


async def test_preferences_of_another_user_are_forbidden(server: Server) -> None:
    alice, bob = server.accounts("alice", "bob")
    async with server.client(bob) as bob_client:
        with pytest.raises(Refused, match="forbidden"):
            await bob_client.ask("get", "<prefs xmlns='urn:xmpp:mam:2'/>", to=alice.jid)


async def test_preferences_are_set_by_the_ad_hoc_command(server: Server) -> None:
    component = server.ejabberd.component
    async with server.client(server.account("alice")) as alice_client:
        response = await alice_client.ask(
            "set",
            f"<command xmlns='{COMMANDS[1:-1]}' node='{CONFIGURE}' action='execute'/>",
            to=component,
        )
        command = response.find(f"{COMMANDS}command")
        assert command is not None
        await alice_client.ask(
            "set",
            f"<command xmlns='{COMMANDS[1:-1]}' node='{CONFIGURE}'"
            f" sessionid='{command.get('sessionid')}' action='complete'>"
            "<x xmlns='jabber:x:data' type='submit'><field var='default'><value>roster</value>"
            "</field></x></command>",
            to=component,
        )

        assert await default_preference(alice_client) == "roster"
