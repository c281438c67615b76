"""What users have displayed on their clients (XEP-0490) is not unread over HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from slixmpp.exceptions import IqError
from support import mam
from support.displaying import NS_EVENT, NS_MDS, NS_PUBSUB, item, items_of, publication, stanza_id
from support.ejabberd import USER_IQ_PRIVILEGE, Account, Ejabberd
from support.muniment import Muniment
from support.releases import Release
from support.remote_data import session
from support.server import Server
from support.slixmpp_client import slixmpp_client
from support.stanzas import Refused

#: What it tests differs between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

NO_ANSWER = "does not answer for displayed markers"

PERMITTED = {USER_IQ_PRIVILEGE: USER_IQ_PRIVILEGE.replace("# ", "")}


@pytest.fixture
def misconfigured(tmp_path: Path, release: Release) -> Iterator[Server]:
    """ejabberd permits what only 25.03 and newer can carry out, if it knows the option."""
    is_too_old = release.has_iq_privilege and not release.has_user_iq_privilege
    with (
        Ejabberd(tmp_path / "e", release, changes=PERMITTED if is_too_old else None) as ejabberd,
        Muniment(tmp_path / "m", ejabberd) as muniment,
    ):
        yield Server(ejabberd, muniment)


async def unread(server: Server, owner: Account) -> dict[str, int]:
    """Return the number of unread messages by conversation, over HTTP."""
    async with (
        session(server.muniment) as http,
        http.get(f"/api/v1/archives/{owner.jid}/conversations") as answer,
    ):
        assert answer.status == 200, await answer.text()
        conversations = (await answer.json())["conversations"]
    return {conversation["peer"]: conversation["unread"] for conversation in conversations}


async def received(server: Server, alice: Account, bob: Account) -> list[str]:
    """Have alice receive three messages of bob; return their ids in her archive."""
    async with server.client(alice) as hers, server.client(bob) as his:
        await hers.be_available()
        for number in range(3):
            his.say(alice.jid, f"message {number}")
        await hers.wait_for_body("message 2")
        return [result.id for result in await mam.everything(hers)]


async def test_message_displayed_in_slixmpp_is_not_unread_over_http(own_server: Server) -> None:
    """Also after a restart of Muniment."""
    alice, bob = own_server.accounts("alice", "bob")
    await received(own_server, alice, bob)
    before = await unread(own_server, alice)
    async with slixmpp_client(alice, own_server.ejabberd.ports.c2s) as client:
        client.register_plugin("xep_0490")
        archive, markers = client.plugin["xep_0313"], client.plugin["xep_0490"]
        ids = [message["mam_result"]["id"] async for message in archive.iterate()]
        # ejabberd 23.01 refuses the options of the publication; the message is displayed.
        is_refused = False
        try:
            await markers.flag_chat(bob.jid, ids[-1])
        except IqError:
            is_refused = True
        # Behind it on its way to us.
        await archive.retrieve(rsm={"max": 0})
        after = await unread(own_server, alice)
    own_server.muniment.restart()

    assert is_refused != own_server.ejabberd.release.has_synchronized_displaying
    assert before == {bob.jid: 3}
    assert (after, await unread(own_server, alice)) == ({bob.jid: 0}, {bob.jid: 0})


async def test_marker_published_while_muniment_was_away_is_asked_for(own_server: Server) -> None:
    """Before 25.03 it is known once a client of the user catches up."""
    alice, bob = own_server.accounts("alice", "bob")
    ids = await received(own_server, alice, bob)
    own_server.muniment.stop()
    async with own_server.client(alice) as hers:
        await hers.ask("set", publication(item(bob.jid, stanza_id(ids[1], alice.jid)), options=""))
    own_server.muniment.start()
    is_asked = own_server.ejabberd.release.has_user_iq_privilege
    if is_asked:
        async with asyncio.timeout(10):
            # ejabberd permits it a moment after the connection.
            while await unread(own_server, alice) != {bob.jid: 1}:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    before = await unread(own_server, alice)
    async with own_server.client(alice, "laptop") as hers:
        await hers.ask("get", items_of())
        await mam.query(hers, max=0)
        caught_up = await unread(own_server, alice)

    assert (before, caught_up) == ({bob.jid: 1 if is_asked else 3}, {bob.jid: 1})


async def test_marker_of_a_room_names_the_id_of_the_room(server: Server) -> None:
    """23.01 has no such ids without mod_mam."""
    alice, bob = server.accounts("alice", "bob")
    room = f"{alice.user}@conference.{alice.host}"
    async with server.client(alice) as hers, server.client(bob) as his:
        await hers.join(room, "alice")
        await his.join(room, "bob")
        for number in range(3):
            his.say(room, f"message {number}", type="groupchat")
        await hers.wait_for_body("message 2")
        second = await hers.wait_for_body("message 1")
        room_id = second.find("{urn:xmpp:sid:0}stanza-id")
        before = await unread(server, alice)
        if room_id is not None:
            await hers.ask("set", publication(item(room, stanza_id(room_id.get("id", ""), room))))
        await mam.query(hers, max=0)
        after = await unread(server, alice)

    has_ids = server.ejabberd.release.has_iq_privilege
    assert (room_id is not None) == has_ids
    assert (before, after) == ({room: 3}, {room: 1 if has_ids else 3})


async def test_marker_of_another_program_is_known_by_its_event(server: Server) -> None:
    alice, bob = server.accounts("alice", "bob")
    ids = await received(server, alice, bob)
    async with server.client(alice, "laptop") as hers:
        await hers.be_available()
        first = item(bob.jid, stanza_id(ids[0], alice.jid))
        await hers.ask("set", publication(first, options=""))
        subscription = f"<subscribe node='{NS_MDS}' jid='{alice.jid}'/>"
        await hers.ask("set", f"<pubsub xmlns='{NS_PUBSUB}'>{subscription}</pubsub>")
        before = await unread(server, alice)
        displayed = f"<displayed xmlns='{NS_MDS}'>{stanza_id(ids[2], alice.jid)}</displayed>"
        server.ejabberd.evaluate(
            f'mod_pubsub:publish_item({{<<"{alice.user}">>, <<"{alice.host}">>, <<>>}},'
            f' <<"{alice.host}">>, <<"{NS_MDS}">>, jid:decode(<<"{alice.jid}">>),'
            f' <<"{bob.jid}">>, [fxml_stream:parse_element(<<"{displayed}">>)])'
        )
        await hers.wait_for(
            lambda stanza: stanza.find(f"{{{NS_EVENT}}}event//*[@id='{ids[2]}']") is not None
        )
        await mam.query(hers, max=0)

        assert (before, await unread(server, alice)) == ({bob.jid: 2}, {bob.jid: 0})


async def test_publication_as_the_xep_wants_it(server: Server) -> None:
    """23.01 does not know `max_items` in the options of a publication."""
    async with server.client(server.account("alice")) as hers:
        marker = item("bob@one.test", stanza_id("x", hers.account.jid))
        try:
            await hers.ask("set", publication(marker))
            is_accepted = True
        except Refused as refused:
            is_accepted = refused.condition != "resource-constraint"

    assert is_accepted == server.ejabberd.release.has_synchronized_displaying


async def test_permission_that_ejabberd_cannot_carry_out_is_logged_and_delays_one_page(
    misconfigured: Server,
) -> None:
    alice, bob = misconfigured.accounts("alice", "bob")
    await received(misconfigured, alice, bob)
    release, muniment = misconfigured.ejabberd.release, misconfigured.muniment
    is_too_old = release.has_iq_privilege and not release.has_user_iq_privilege
    first, seconds = await timed_unread(misconfigured, alice)
    if is_too_old:
        muniment.wait_until(lambda: NO_ANSWER in muniment.log, "logs that it is not answered")
    second, _ = await timed_unread(misconfigured, bob)

    assert (first, second) == ({bob.jid: 3}, {alice.jid: 0})
    assert muniment.log.count(NO_ANSWER) == is_too_old
    assert seconds < 30


async def timed_unread(server: Server, owner: Account) -> tuple[dict[str, int], float]:
    """Return the number of unread messages, and the seconds until the answer."""
    began = time.monotonic()
    return await unread(server, owner), time.monotonic() - began
