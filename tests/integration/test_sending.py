"""Users send over HTTP as themselves: their contacts and their other clients get the messages."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4
from xml.etree.ElementTree import tostring

import pytest
from aiohttp import ClientSession
from support.ejabberd import Account
from support.raw import SECONDS
from support.releases import Release
from support.sign_in_server import SigningIn, sign_in_server
from support.stanzas import CLIENT

CARBON = "{urn:xmpp:carbons:2}sent/{urn:xmpp:forward:0}forwarded/{jabber:client}message"


@pytest.fixture(scope="module")
def signing_in(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[SigningIn]:
    with sign_in_server(tmp_path_factory.mktemp("sending"), release) as signing_in:
        yield signing_in


@pytest.fixture(scope="module")
def without_tokens(
    tmp_path_factory: pytest.TempPathFactory, release: Release
) -> Iterator[SigningIn]:
    """An ejabberd that takes passwords alone."""
    folder = tmp_path_factory.mktemp("sending-passwords")
    with sign_in_server(folder, release, accepts_tokens=False) as signing_in:
        yield signing_in


async def signed_in(signing_in: SigningIn, account: Account) -> ClientSession:
    return signing_in.user(await signing_in.sign_in(account))


async def send(
    http: ClientSession, sender: Account, to: str, **fields: Any
) -> tuple[int, dict[str, Any]]:
    """Send a message over HTTP; return the status and the answer."""
    path = f"/api/v1/archives/{sender.jid}/messages"
    response = await http.post(path, json={"to": to, **fields})
    return response.status, await response.json()


async def archived(http: ClientSession, owner: Account, **parameters: str) -> list[dict[str, Any]]:
    """Return the messages of an archive."""
    path = f"/api/v1/archives/{owner.jid}/messages"
    response = await http.get(path, params=parameters)
    return (await response.json())["messages"]


async def archived_when(
    condition: Callable[[list[dict[str, Any]]], object],
    http: ClientSession,
    owner: Account,
    **parameters: str,
) -> list[dict[str, Any]]:
    """Return the messages of an archive as soon as they meet a condition.

    The answer to a sender does not wait for the archives of others.
    """
    async with asyncio.timeout(SECONDS):
        while not condition(messages := await archived(http, owner, **parameters)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return messages


def room_of(signing_in: SigningIn) -> str:
    return f"room-{secrets.token_hex(3)}@conference.{signing_in.server.ejabberd.hosts[0]}"


async def test_message_reaches_contact_own_client_and_both_archives(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    async with (
        server.client(bob) as contact,
        server.client(alice, "laptop") as laptop,
        await signed_in(signing_in, alice) as http,
        await signed_in(signing_in, bob) as bobs,
    ):
        await contact.be_available()
        await laptop.be_available()
        await laptop.enable_carbons()

        status, sent = await send(http, alice, bob.jid, body="over HTTP", id="m-1")

        assert (status, sent["body"], sent["message_id"]) == (201, "over HTTP", "m-1")
        assert sent["direction"] == "send"
        received = await contact.wait_for_body("over HTTP")
        assert received.get("from", "").startswith(f"{alice.jid}/")
        carbon = await laptop.wait_for(lambda stanza: stanza.find(CARBON) is not None)
        assert "over HTTP" in tostring(carbon, "unicode")
        assert [item["id"] for item in await archived(http, alice)] == [sent["id"]]
        [at_bob] = await archived_when(len, bobs, bob)
        assert at_bob["body"] == "over HTTP"


async def test_same_id_is_one_message(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    async with server.client(bob) as contact, await signed_in(signing_in, alice) as http:
        await contact.be_available()
        id = str(uuid4())

        answers = await asyncio.gather(
            *(send(http, alice, bob.jid, body="once", id=id) for _ in range(3))
        )
        again = await send(http, alice, bob.jid, body="once", id=id)
        other = await send(http, alice, bob.jid, body="something else", id=id)
        assert (await send(http, alice, bob.jid, body="last"))[0] == 201

        assert sorted(status for status, _ in answers) == [200, 200, 201]
        assert again[0] == 200
        assert {answer["id"] for _, answer in [*answers, again]} == {again[1]["id"]}
        assert (other[0], other[1]["error"]) == (409, "conflict")
        await contact.wait_for_body("last")
        texts = [stanza.findtext(f"{CLIENT}body") for stanza in contact.received]
        assert texts.count("once") == 1


async def test_same_id_after_a_restart_is_one_message(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    async with await signed_in(signing_in, alice) as http:
        _, first = await send(http, alice, bob.jid, body="before", id="r-1")
        server.muniment.restart()
        status, again = await send(http, alice, bob.jid, body="before", id="r-1")
        assert (status, again["id"]) == (200, first["id"])

        # ejabberd accepts a new access token, so no password is needed.
        status, later = await send(http, alice, bob.jid, body="after")
        assert (status, later["body"]) == (201, "after")


async def test_messages_about_a_message_change_its_folded_view(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    async with (
        server.client(bob) as contact,
        await signed_in(signing_in, alice) as http,
        await signed_in(signing_in, bob) as bobs,
    ):
        await contact.be_available()
        _, first = await send(http, alice, bob.jid, body="Helo")
        _, second = await send(http, alice, bob.jid, body="oops")

        about = [
            {"body": "Hello", "replaces": first["id"]},
            {"retracts": second["id"]},
        ]
        for fields in about:
            status, answer = await send(http, alice, bob.jid, **fields)
            assert status == 201, answer
        at_bob = await archived_when(len, bobs, bob)
        reaction = {"reacts_to": at_bob[0]["id"], "reactions": ["👍"]}
        for fields in (reaction, {"displayed": at_bob[0]["id"]}):
            status, answer = await send(bobs, bob, alice.jid, **fields)
            assert status == 201, answer

        [hello, retracted] = await archived_when(
            lambda messages: messages[0]["receipts"], http, alice, view="folded"
        )
        assert (hello["body"], hello["reactions"]) == ("Hello", {"👍": [bob.jid]})
        assert [receipt["state"] for receipt in hello["receipts"]] == ["displayed"]
        assert (retracted["body"], retracted["retracted"] is not None) == (None, True)


async def test_chat_state_reaches_the_contact_and_no_archive(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    async with server.client(bob) as contact, await signed_in(signing_in, alice) as http:
        await contact.be_available()

        status, answer = await send(http, alice, bob.jid, chat_state="composing")

        assert (status, answer["id"]) == (202, None)
        state = "{http://jabber.org/protocol/chatstates}composing"
        await contact.wait_for(lambda stanza: stanza.find(state) is not None)
        assert await archived(http, alice) == []


async def test_message_to_nobody_fails_with_the_condition(signing_in: SigningIn) -> None:
    alice = signing_in.server.account("alice")
    async with await signed_in(signing_in, alice) as http:
        nobody = f"nobody@{alice.host}"

        status, answer = await send(http, alice, nobody, body="Hi")

        assert (status, answer["error"]) == (409, "service-unavailable")
        assert answer["message"].startswith(f"{nobody}: ")


async def test_message_to_a_blocked_contact_fails(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    async with (
        server.client(alice, "laptop") as laptop,
        await signed_in(signing_in, alice) as http,
    ):
        await laptop.ask(
            "set", f"<block xmlns='urn:xmpp:blocking'><item jid='{bob.jid}'/></block>"
        )

        status, answer = await send(http, alice, bob.jid, body="Hi")

        assert (status, answer["error"]) == (403, "not-acceptable")


async def test_message_to_a_room_reaches_its_occupants(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    room = room_of(signing_in)
    async with server.client(bob) as owner, await signed_in(signing_in, alice) as http:
        await owner.join(room, "bob")

        for text in ("Hello, room", "and again"):
            status, sent = await send(http, alice, room, type="groupchat", body=text)
            assert (status, sent["peer"], sent["resource"]) == (201, room, alice.user)
            await owner.wait_for_body(text)

        fields = {"type": "groupchat", "reacts_to": sent["id"], "reactions": ["👍"]}
        assert (await send(http, alice, room, **fields))[0] == 201


async def test_message_to_a_room_of_members_fails_for_others(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    room = room_of(signing_in)
    async with server.client(bob) as owner, await signed_in(signing_in, alice) as http:
        await owner.join(room, "bob")
        await owner.ask(
            "set",
            "<query xmlns='http://jabber.org/protocol/muc#owner'>"
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
            "<value>http://jabber.org/protocol/muc#roomconfig</value></field>"
            "<field var='muc#roomconfig_membersonly'><value>1</value></field></x></query>",
            to=room,
        )

        status, answer = await send(http, alice, room, type="groupchat", body="Let me in")

        assert (status, answer["error"]) == (403, "registration-required")
        assert re.search("[Mm]embership", answer["message"])


async def test_message_to_an_unknown_room_creates_no_room(signing_in: SigningIn) -> None:
    alice = signing_in.server.account("alice")
    room = room_of(signing_in)
    async with await signed_in(signing_in, alice) as http:
        for _ in range(2):
            status, answer = await send(http, alice, room, type="groupchat", body="Anybody?")
            assert (status, answer["error"]) == (404, "item-not-found")


async def test_nobody_sends_in_the_name_of_another(signing_in: SigningIn) -> None:
    alice, bob = signing_in.server.accounts("alice", "bob")
    async with await signed_in(signing_in, alice) as http:
        status, answer = await send(http, bob, alice.jid, body="forged")

        assert (status, answer["error"]) == (403, "forbidden")


async def test_session_without_tokens_uses_the_password_until_a_restart(
    without_tokens: SigningIn,
) -> None:
    server = without_tokens.server
    alice, bob = server.accounts("alice", "bob")
    async with await signed_in(without_tokens, alice) as http:
        status, _ = await send(http, alice, bob.jid, body="by password")
        assert status == 201

        server.muniment.restart()

        status, answer = await send(http, alice, bob.jid, body="by nothing")
        assert (status, answer["error"]) == (401, "not-authorized")
        assert "sign in again" in answer["message"]
        await without_tokens.sign_in(alice)
        status, _ = await send(http, alice, bob.jid, body="by password again")
        assert status == 201


async def test_session_survives_the_loss_of_its_connection(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    async with server.client(bob) as contact, await signed_in(signing_in, alice) as http:
        await contact.be_available()
        assert (await send(http, alice, bob.jid, body="one"))[0] == 201
        names = f'<<"{alice.user}">>, <<"{alice.host}">>'
        ended = server.ejabberd.evaluate(
            f"[exit(ejabberd_sm:get_session_pid({names}, R), kill)"
            f" || R <- ejabberd_sm:get_user_resources({names})]"
        )
        assert ended == "[true]"

        assert (await send(http, alice, bob.jid, body="two"))[0] == 201
        await contact.wait_for_body("two")


async def test_password_and_tokens_are_not_logged(signing_in: SigningIn) -> None:
    server = signing_in.server
    alice, bob = server.accounts("alice", "bob")
    tokens = await signing_in.sign_in(alice)
    async with signing_in.user(tokens) as http:
        await send(http, alice, bob.jid, body="a secret text")

    for secret in (alice.password, tokens["access_token"], "a secret text", "eyJ"):
        assert secret not in server.muniment.log
