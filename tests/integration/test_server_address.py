"""Archive queries to the server's own address: the component answers as mod_mam does."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree.ElementTree import tostring

import pytest
from support import mam
from support.ejabberd import Account, Ejabberd
from support.mam_payloads import GET_FEATURES, GET_PREFERENCES, features_in, preferences_in
from support.mod_mam import WithModMam
from support.raw import Client
from support.releases import Release
from support.server import Server
from support.stanzas import Refused
from support.traffic import say_in_turn

#: What it tests differs between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

#: What mod_mam announces of the archive of today, where it announces it.
ANNOUNCED = frozenset({"urn:xmpp:mam:2", "urn:xmpp:message-retract:1"})

RESULT = "{urn:xmpp:mam:2}result"

COUNT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a user of the server and a user of another host see at the server's address."""

    announced: frozenset[str]
    bodies: tuple[str | None, ...]
    count: int | None
    answered_by: str | None
    senders: frozenset[str | None]  #: of the messages that carry the results
    preferences: str
    is_other_host_refused: bool


async def seen(ejabberd: Ejabberd) -> Seen:
    """Return what users see at the address of the first host, after a conversation there."""
    host, other_host = ejabberd.hosts
    alice, bob, carol = (
        Account(f"{name}-{secrets.token_hex(3)}", domain, secrets.token_hex(8))
        for name, domain in (("alice", host), ("bob", host), ("carol", other_host))
    )
    ejabberd.register(alice, bob, carol)
    port = ejabberd.ports.c2s
    async with Client(alice, port) as hers, Client(bob, port) as his, Client(carol, port) as other:
        await say_in_turn(hers, his, COUNT)
        hers.received.clear()
        page = await mam.query(hers, to=host)
        senders = {stanza.get("from") for stanza in hers.received if len(stanza.findall(RESULT))}
        try:
            await mam.query(other, to=host)
            is_refused = False
        except Refused:
            is_refused = True
        preferences = preferences_in(await hers.ask("get", GET_PREFERENCES, to=host))
        features = features_in(await hers.ask("get", GET_FEATURES, to=host))
    return Seen(
        announced=frozenset(features & ANNOUNCED),
        bodies=tuple(page.bodies),
        count=page.count,
        answered_by=page.answered_by,
        senders=frozenset(senders),
        preferences=preferences.default,
        is_other_host_refused=is_refused,
    )


@pytest.fixture
def mam_alone(tmp_path: Path, release: Release) -> Ejabberd:
    return WithModMam(tmp_path / "mam", release)


async def test_component_answers_at_the_server_as_mod_mam_does(
    server: Server, mam_alone: Ejabberd
) -> None:
    with mam_alone:
        of_mam = await seen(mam_alone)
    of_component = await seen(server.ejabberd)

    assert "urn:xmpp:mam:2" in of_mam.announced
    assert of_component == Seen(
        announced=ANNOUNCED,
        bodies=tuple(f"message {n}" for n in range(COUNT)),
        count=COUNT,
        answered_by=server.ejabberd.hosts[0],
        senders=frozenset([server.ejabberd.hosts[0]]),
        preferences="always",
        is_other_host_refused=True,
    )
    assert replace(of_mam, announced=ANNOUNCED) == of_component


async def test_results_from_the_server_reach_the_session_that_asks_and_no_archive(
    server: Server,
) -> None:
    alice, bob = server.accounts("alice", "bob")
    async with (
        server.client(alice) as phone,
        server.client(alice, "laptop") as laptop,
        server.client(bob) as his,
    ):
        await laptop.be_available()
        await laptop.enable_carbons()
        await say_in_turn(phone, his, COUNT)
        await laptop.wait_for(
            lambda stanza: f">message {COUNT - 1}<" in tostring(stanza, "unicode")
        )
        before = len(laptop.received)
        page = await mam.query(phone, to=alice.host)
        await laptop.settled()
        later = laptop.received[before:]

        assert len(page.results) == COUNT
        assert [stanza for stanza in later if stanza.tag.endswith("message")] == []
        assert await mam.bodies(phone) == [f"message {n}" for n in range(COUNT)]
