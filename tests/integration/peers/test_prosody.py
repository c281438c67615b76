"""Prosody's scripted scenarios of archives, spec/scansion, replayed on ejabberd by raw clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from xml.etree.ElementTree import Element

import pytest
from support import mam
from support.mam_payloads import (
    GET_PREFERENCES,
    METADATA,
    Edge,
    Preferences,
    archive_query,
    metadata_in,
    preferences_in,
    set_preferences,
)
from support.raw import Client
from support.server import Server
from support.stanzas import CLIENT

RESULT = "{urn:xmpp:mam:2}result"


@pytest.fixture
async def romeo(server: Server) -> AsyncIterator[Client]:
    async with server.client(server.account("romeo")) as client:
        await client.be_available()
        yield client


async def results(client: Client, query: str) -> list[tuple[str, str]]:
    """Return ids and texts of the messages that a query finds, in the order of arrival."""
    messages: list[tuple[str, str]] = []

    def collect(stanza: Element) -> None:
        if (result := stanza.find(RESULT)) is not None:
            messages.append((result.get("id", ""), next(stanza.iter(f"{CLIENT}body")).text or ""))

    with client.listening(collect):
        fin = (await client.ask("set", query)).find("{urn:xmpp:mam:2}fin")
    assert fin is not None
    assert fin.get("complete") == "true"
    return messages


async def test_mam_extended(romeo: Client) -> None:
    """mam_extended.scs: metadata name the first and the last result; a flipped page holds the same
    messages in reverse order."""
    preferences = Preferences(default="always")
    response = await romeo.ask("set", set_preferences("always"))
    assert preferences_in(response) == preferences
    for id, body in (("chat01", "Hello"), ("chat02", "U there?")):
        romeo.say(f"someone@{romeo.account.host}", body, id=id)
    await romeo.settled()
    ends = metadata_in(await romeo.ask("get", METADATA))
    first, last = await mam.everything(romeo)
    plain = await results(romeo, archive_query(queryid="q1"))
    flipped = await results(romeo, archive_query(queryid="q1", is_flipped=True))

    assert ends == (Edge(id=first.id, stamp=first.stamp), Edge(id=last.id, stamp=last.stamp))
    assert plain == [(first.id, "Hello"), (last.id, "U there?")]
    assert flipped == plain[::-1]
    assert (first.message_id, first.sender) == ("chat01", romeo.jid)


async def test_mam_prefs_prep(romeo: Client) -> None:
    """mam_prefs_prep.scs: JIDs are prepared."""
    request = set_preferences("roster", ["JULIET@MONTAGUE.LIT"], ["MONTAGUE@MONTAGUE.LIT"])
    prepared = Preferences(
        default="roster",
        always=frozenset({"juliet@montague.lit"}),
        never=frozenset({"montague@montague.lit"}),
    )

    assert preferences_in(await romeo.ask("set", request)) == prepared
    assert preferences_in(await romeo.ask("get", GET_PREFERENCES)) == prepared


async def test_tombstones(server: Server, romeo: Client) -> None:
    """tombstones.scs: a removed account looks like one that never existed. Their case is about
    subscriptions, which ejabberd manages; here the peer of the account keeps its archive."""
    juliet = server.account("juliet-tombstones")
    async with server.client(juliet) as client:
        await client.be_available()
        romeo.say(juliet.jid, "here?")
        await client.wait_for_body("here?")
        client.send(
            "<iq type='set' id='bye'><query xmlns='jabber:iq:register'><remove/></query></iq>"
        )
        await client.wait_for(lambda stanza: stanza.get("id") == "bye")
    romeo.say(juliet.jid, "gone?")
    bounced = await romeo.wait_for(lambda stanza: stanza.get("type") == "error")

    assert bounced.get("from") == juliet.jid
    assert await mam.bodies(romeo) == ["here?", "gone?"]
