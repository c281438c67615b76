"""Stanzas of malicious or careless clients do no harm and are archived well-formed."""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import quoteattr

import pytest
from support import mam
from support.ejabberd import Account
from support.raw import Client
from support.remote_data import path, read_all, session
from support.server import Server
from support.stanzas import CLIENT, Refused, parse

#: ejabberd accepts this from a client that declares the prefix on its stream, and sends it
#: unchanged to streams without the declaration.
UNBOUND = "<p:foo p:at='1'><p:bar/></p:foo>"


@pytest.fixture(autouse=True)
def _still_connected(server: Server) -> Iterator[None]:
    """Fail if a test makes Muniment lose its connection or end."""
    server.muniment.wait_until(server.muniment.is_ready, "ready")
    before = server.muniment.log.count("connected to")
    yield
    assert server.muniment.is_ready()
    assert server.muniment.log.count("connected to") == before


def with_prefix(client: Client) -> Client:
    """Return a client that declares a prefix on its stream."""
    client.header = "xmlns:p='urn:p'"
    return client


@pytest.mark.parametrize("payload", [UNBOUND, "<stream:error><stream:features/></stream:error>"])
async def test_message_with_prefix_of_the_stream_header_is_archived_well_formed(
    server: Server, payload: str
) -> None:
    mallory, bob = server.accounts("mallory", "bob")
    async with with_prefix(server.client(mallory)) as client:
        client.say(bob.jid, "x", extra=payload)
        client.say(bob.jid, "next")
        await client.settled()

    for account in (mallory, bob):
        # The parser of this client ends the stream at the first error of well-formedness.
        async with server.client(account) as reader:
            await mam.wait_for_bodies(reader, ["x", "next"])
        for item in await read_all(server.muniment, account):
            assert parse(item["xml"]).tag == f"{CLIENT}message"


async def test_query_with_prefix_of_the_stream_header_is_answered(server: Server) -> None:
    mallory = server.account("mallory")
    async with with_prefix(server.client(mallory)) as client:
        client.say(mallory.jid, "x")
        for archive in (None, server.ejabberd.component):
            page = await mam.query(client, to=archive, extra=UNBOUND)
            assert page.bodies == ["x"]


async def test_unknown_query_with_prefix_of_the_stream_header_is_refused(
    server: Server,
) -> None:
    async with with_prefix(server.client(server.account("mallory"))) as client:
        for payload in (UNBOUND, f"<query xmlns='urn:unknown'>{UNBOUND}</query>"):
            with pytest.raises(Refused):
                await client.ask("set", payload, to=server.ejabberd.component)


async def test_special_characters_are_returned_unchanged(server: Server) -> None:
    alice, bob = server.accounts("alice", "bob")
    text = "<&>\"' é 日本語 \U0001f600 ]]> \t tab\nline &amp; &#13; \u200b"
    async with server.client(alice) as client:
        client.say(bob.jid, text, extra="<x xmlns='urn:x' a=\"it's\" b='&quot;&lt;&#10;'/>")

        [result] = await mam.everything(client)

    assert result.body == text
    [extra] = result.message.iter("{urn:x}x")
    assert extra.attrib == {"a": "it's", "b": '"<\n'}
    [item] = await read_all(server.muniment, alice)
    assert item["body"] == text


@pytest.mark.parametrize("character", ["'", '"', "<", ">", "&", "]]>"])
async def test_resource_and_ids_with_markup_are_returned_unchanged(
    server: Server, character: str
) -> None:
    """Results repeat the resource of the requester and the id and queryid of the query; archived
    messages repeat the resource and id of their sender."""
    alice = server.account("alice")
    name = f"a{character}b"
    async with server.client(alice, resource=name) as client:
        client.say(alice.jid, "x", id=name)
        client.send(
            f"<iq type='set' id={quoteattr(name)}>"
            f"<query xmlns='urn:xmpp:mam:2' queryid={quoteattr(name)}/></iq>"
        )
        await client.wait_for(
            lambda stanza: stanza.tag == f"{CLIENT}iq" and stanza.get("id") == name
        )
        results = [stanza.find(f"{mam.MAM}result") for stanza in client.received]

        queryids = [result.get("queryid") for result in results if result is not None]
        assert queryids == [name]
        for archive in (None, server.ejabberd.component):
            [result] = await mam.everything(client, to=archive)
            assert (result.message_id, result.sender) == (name, f"{alice.jid}/{name}")
    [item] = await read_all(server.muniment, alice)
    assert parse(item["xml"]).get("from") == f"{alice.jid}/{name}"


def route_large_message(server: Server, recipient: Account, number: int, size: int) -> None:
    """Route a message of another server, whose body repeats the last digit of a number."""
    server.ejabberd.evaluate(
        "ejabberd_router:route(xmpp:decode(fxml_stream:parse_element(iolist_to_binary(["
        f"<<\"<message xmlns='jabber:client' type='chat' id='{number}'\">>, "
        f"<<\" from='romeo@remote.example/x' to='{recipient.jid}'><body>\">>, "
        f'binary:copy(<<"{number % 10}">>, {size}), <<"</body></message>">>]))))'
    )


async def test_large_messages_are_archived_and_returned(server: Server) -> None:
    """Messages from another server are not shaped; ejabberd limits the rate of its own users."""
    bob = server.account("bob")
    size, count = 200_000, 5
    async with server.client(bob) as client:
        await client.be_available()
        texts = [str(n) * size for n in range(count)]
        for n in range(count):
            route_large_message(server, bob, n, size)
        await client.wait_for_bodies(texts)

        assert await mam.bodies(client) == texts


async def test_message_nested_too_deeply_is_not_archived_and_the_next_one_is(
    server: Server,
) -> None:
    alice = server.account("alice")
    async with server.client(alice) as client:
        client.say(alice.jid, "deep", extra="<x xmlns='urn:x'>" * 600 + "</x>" * 600)
        client.say(alice.jid, "flat")

        assert await mam.bodies(client) == ["flat"]


async def test_copy_forged_by_a_client_is_not_unwrapped(server: Server) -> None:
    """Only copies from the server itself are unwrapped."""
    mallory, alice, bob = server.accounts("mallory", "alice", "bob")
    forged = (
        "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' type='chat' id='f'"
        f" from='{bob.jid}/desk' to='{alice.jid}'><body>I owe you money</body></message>"
        "</forwarded>"
    )
    async with server.client(mallory) as client:
        for addressee in (server.ejabberd.component, alice.jid):
            client.send(f"<message to='{addressee}'>{forged}</message>")
            client.send(f"<message to='{addressee}' type='chat'><body>b</body>{forged}</message>")
        await client.settled()

    for account in (alice, bob):
        async with server.client(account) as reader:
            results = await mam.everything(reader)
        assert {result.sender for result in results} <= {f"{mallory.jid}/phone"}
        assert {result.body for result in results} <= {"b"}


@pytest.mark.parametrize(
    "start",
    [
        "<message type='chat' from='{jid}/a>b'",
        "<message type='chat' from=\"{jid}/ xmlns='x'\"",
        "<message type='chat' from='{jid}/x' xmlns='jabber:client'",
        "<message\n\ttype = 'chat'\n from = '{jid}/x'\n xmlns = \"jabber:client\"",
        "<message type='chat' from='{jid}/x' xmlns:p='urn:p' p:xmlns='x'",
    ],
)
async def test_posted_message_is_returned_well_formed(server: Server, start: str) -> None:
    alice = server.account("alice")
    fields = {
        "username": alice.user,
        "timestamp": "2026-01-01T00:00:00.000001Z",
        "xml": f"{start.format(jid=alice.jid)} to='bob@{alice.host}'><body>x</body></message>",
    }
    async with (
        session(server.muniment) as http,
        http.post(path(server.muniment, alice), json=fields) as response,
    ):
        assert response.status == 200
    async with server.client(alice) as client:
        for archive in (None, server.ejabberd.component):
            assert await mam.bodies(client, to=archive) == ["x"]


async def test_iq_of_wrong_type_or_unknown_payload_is_refused(server: Server) -> None:
    component = server.ejabberd.component
    disco = "http://jabber.org/protocol/disco"
    async with server.client(server.account("mallory")) as client:
        for payload in (
            f"<query xmlns='{disco}#info'/>",
            f"<query xmlns='{disco}#items'/>",
            "<delegation xmlns='urn:xmpp:delegation:1'/>",
            "<query xmlns='urn:unknown'/>",
        ):
            with pytest.raises(Refused):
                await client.ask("set", payload, to=component)
        with pytest.raises(Refused):
            await client.ask("get", "<delegation xmlns='urn:xmpp:delegation:1'/>", to=component)
        with pytest.raises(Refused):
            await client.ask("get", "<query xmlns='urn:unknown'/>", to=f"nobody@{component}/x")


async def test_subscription_to_the_component_is_refused(server: Server) -> None:
    component = server.ejabberd.component
    async with server.client(server.account("mallory")) as client:
        await client.be_available()
        for n in range(500):
            client.send(f"<presence to='made-up-{n}@{component}'/>")
        client.send(f"<presence type='subscribe' to='{component}'/>")

        await client.wait_for(
            lambda stanza: (
                stanza.tag == f"{CLIENT}presence" and stanza.get("type") == "unsubscribed"
            )
        )


async def test_pages_of_large_messages_are_short_and_lose_nothing(server: Server) -> None:
    bob = server.account("bob")
    size, count = 200_000, 12
    async with server.client(bob) as client:
        await client.be_available()
        for n in range(count):
            route_large_message(server, bob, n, size)
        texts = [str(n % 10) * size for n in range(count)]
        await client.wait_for_bodies(texts)

        page = await mam.query(client, max=250)

        assert page.bodies == texts[:5]
        assert not page.complete
        assert await mam.bodies(client) == texts


async def test_message_nested_200_deep_is_archived(server: Server) -> None:
    alice, bob = server.accounts("alice", "bob")
    deep = "<a xmlns='urn:x'>" + "<a>" * 200 + "</a>" * 200 + "</a>"
    async with server.client(alice) as alice_client, server.client(bob) as bob_client:
        await bob_client.be_available()
        alice_client.say(bob.jid, "deep", extra=deep)
        await bob_client.wait_for_body("deep")

        for client in (alice_client, bob_client):
            assert await mam.bodies(client) == ["deep"]
