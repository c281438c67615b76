"""What users choose to have archived, on a real ejabberd with its rosters."""

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


async def prefer(client: Client, default: str, *, always: str = "", never: str = "") -> Element:
    """Set preferences with one address at most in each list, and return what is applied."""
    lists = "".join(
        f"<{name}>{f'<jid>{jid}</jid>' if jid else ''}</{name}>"
        for name, jid in (("always", always), ("never", never))
    )
    return await client.ask(
        "set", f"<prefs xmlns='urn:xmpp:mam:2' default='{default}'>{lists}</prefs>"
    )


async def preferred(client: Client) -> str | None:
    answer = await client.ask("get", "<prefs xmlns='urn:xmpp:mam:2'/>")
    prefs = answer.find(f"{MAM}prefs")
    assert prefs is not None
    return prefs.get("default")


async def befriend(client: Client, jid: str, subscription: str = "") -> None:
    """Put somebody on the roster, or take him off it."""
    await client.ask(
        "set", f"<query xmlns='jabber:iq:roster'><item jid='{jid}'{subscription}/></query>"
    )


async def test_default_never_archives_nothing_for_its_user(server: Server) -> None:
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as a, server.client(bob) as b:
        await b.be_available()
        await prefer(a, "never")
        a.say(bob.jid, "to bob")
        await b.wait_for_body("to bob")

        assert (await mam.bodies(a), await mam.bodies(b)) == ([], ["to bob"])


async def test_lists_take_precedence_over_the_default(server: Server) -> None:
    alice, bob, carol = server.accounts("alice", "bob", "carol@2")
    async with server.client(alice) as a, server.client(bob) as b, server.client(carol) as c:
        await a.be_available()
        await prefer(a, "never", always=carol.jid)
        await prefer(b, "always", never=alice.jid)
        b.say(alice.jid, "from bob")
        c.say(alice.jid, "from carol")
        await a.wait_for_bodies(["from bob", "from carol"])

        archives = await mam.bodies(a), await mam.bodies(b), await mam.bodies(c)
        assert archives == (["from carol"], [], ["from carol"])


async def test_roster_default_follows_roster_changes(server: Server) -> None:
    """A contact is archived from the moment on at which it is one, and until it is none."""
    alice, bob = server.accounts("alice", "bob")
    async with server.client(alice) as a, server.client(bob) as b:
        await a.be_available()
        await b.be_available()
        await a.ask("get", "<query xmlns='jabber:iq:roster'/>")
        await prefer(a, "roster")
        for number in range(3):
            b.say(alice.jid, f"from bob {number}")
            await a.wait_for_body(f"from bob {number}")
            a.say(bob.jid, f"to bob {number}")
            await b.wait_for_body(f"to bob {number}")
            # Read, so that the archive has the roster in mind that is changed next.
            await mam.bodies(a)
            await befriend(a, bob.jid, " subscription='remove'" if number else "")

        assert await mam.bodies(a) == ["from bob 1", "to bob 1"]
        assert len(await mam.bodies(b)) == 6


async def test_preferences_survive_a_restart(own_server: Server) -> None:
    alice, bob = own_server.accounts("alice", "bob")
    async with own_server.client(alice) as a, own_server.client(bob) as b:
        await b.be_available()
        await prefer(a, "never")
        await asyncio.to_thread(own_server.muniment.restart)
        a.say(bob.jid, "to bob")
        await b.wait_for_body("to bob")

        assert (await preferred(a), await mam.bodies(a)) == ("never", [])


async def test_preferences_of_another_user_are_forbidden(server: Server) -> None:
    alice, bob = server.accounts("alice", "bob")
    async with server.client(bob) as b:
        with pytest.raises(Refused, match="forbidden"):
            await b.ask("get", "<prefs xmlns='urn:xmpp:mam:2'/>", to=alice.jid)


async def test_preferences_are_set_by_the_ad_hoc_command(server: Server) -> None:
    component = server.ejabberd.component
    async with server.client(server.account("alice")) as a:
        begun = await a.ask(
            "set",
            f"<command xmlns='{COMMANDS[1:-1]}' node='{CONFIGURE}' action='execute'/>",
            to=component,
        )
        command = begun.find(f"{COMMANDS}command")
        assert command is not None
        await a.ask(
            "set",
            f"<command xmlns='{COMMANDS[1:-1]}' node='{CONFIGURE}'"
            f" sessionid='{command.get('sessionid')}' action='complete'>"
            "<x xmlns='jabber:x:data' type='submit'><field var='default'><value>roster</value>"
            "</field></x></command>",
            to=component,
        )

        assert await preferred(a) == "roster"
