"""Scenarios with archives of users and rooms, from sending a message to an operator's request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

import pytest
from aiohttp import ClientSession
from support import mam
from support.archives import correct, displayed, received, retract
from support.ejabberd import Account
from support.mam_payloads import (
    FULLTEXT,
    GET_PREFERENCES,
    archive_at,
    preferences_in,
    set_preferences,
)
from support.program import POLL_SECONDS
from support.raw import Client
from support.releases import Release
from support.remote_data import session
from support.server import Server
from support.stanzas import Refused

SERVICE = "conference.one.test"
STORE = "<store xmlns='urn:xmpp:hints'/>"
BLOCK = "<block xmlns='urn:xmpp:blocking'><item jid='{}'/></block>"

READER, ADMIN = (Account(name, "one.test", "a password") for name in ("reader", "admin"))
OPTIONS: dict[str, dict[str, Any]] = {
    "archive": {"room_services": [SERVICE], "never": ["spam@one.test"], "markers": False},
    'hosts."two.test"': {"default": "never", "never": ["one.test"]},
    "operators.reader": {"role": "reader", "jid": READER.jid, "secret": "reading is what it may"},
    "operators.admin": {"role": "admin", "jid": ADMIN.jid, "secret": "removing is what it may"},
}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Server]:
    """ejabberd and Muniment with operators, archives of rooms and archiving rules per host."""
    with Server.running(tmp_path_factory.mktemp("office"), release, OPTIONS) as running:
        running.ejabberd.register(READER, ADMIN, Account("spam", "one.test", "a password"))
        yield running


def http_of(server: Server, operator: str) -> ClientSession:
    """Return an HTTP session of an operator."""
    secret = OPTIONS[f"operators.{operator}"]["secret"]
    return ClientSession(server.muniment.url, headers={"X-Api-Key": secret})


async def ask(http: ClientSession, method: str, target: str, **options: Any) -> tuple[int, Any]:
    """Return the status and the JSON of a response of the archive API."""
    async with http.request(method, f"/api/v1{target}", **options) as response:
        return response.status, await response.json() if response.content_length else None


async def search_by_http(http: ClientSession, target: str, **query: str) -> list[str | None]:
    """Return the texts on all pages, which a program finds by the links."""
    texts: list[str | None] = []
    next_page = f"/api/v1{target}"
    while next_page:
        async with http.get(next_page, params=query) as response:
            assert response.status == 200, await response.text()
            texts += [message["body"] for message in (await response.json())["messages"]]
            link = response.links.get("next", {}).get("url")
            next_page, query = (urljoin(next_page, str(link)) if link else ""), {}
    return texts


async def search_by_mam(client: Client, max: int, **fields: str) -> list[str | None]:
    """Return the matching texts in order, read from the newest page backwards as clients do."""
    texts: list[str | None] = []
    before = ""
    while True:
        page = await mam.query(client, fields=fields, max=max, before=before)
        texts = [*page.bodies, *texts]
        if page.complete:
            return texts
        before = page.first or ""


@pytest.mark.parametrize("field", [FULLTEXT, "withtext", "search"])
async def test_search_finds_old_messages_by_mam_and_http(office: Server, field: str) -> None:
    alice, bob, carol = office.accounts("alice", "bob", "carol")
    texts = [f'Straße number {number}, "near" * OR café' for number in range(7)]
    async with office.client(alice) as alice_client, office.client(bob) as bob_client:
        await bob_client.be_available()
        for number, text in enumerate(texts):
            alice_client.say(bob.jid, text)
            alice_client.say(bob.jid, f"nothing of note {number}")
            alice_client.say(carol.jid, text)
        await alice_client.settled()
        first = (await mam.everything(alice_client, max=5))[0]

        for search in ("strasse", '"NEAR or cafe"', "numb* CAFE", "STRASSE café number"):
            terms = {field: search, "with": bob.jid, "after-id": first.id}
            assert await search_by_mam(alice_client, 4, **terms) == texts[1:]
        for search in ("' OR 1=1 --", '"cafe near"', "NOT note strasse", "text:strasse"):
            assert await search_by_mam(alice_client, 4, **{field: search}) == []
        for search in ('"', "*", "s*"):
            with pytest.raises(Refused, match="bad-request"):
                await mam.query(alice_client, fields={field: search})
        async with session(office.muniment) as http:
            target = f"/archives/{alice.jid}/messages"
            query = {"search": "strasse", "with": bob.jid, "after": first.id, "limit": "4"}
            assert await search_by_http(http, target, **query) == texts[1:]
            query |= {"order": "desc"}
            assert await search_by_http(http, target, **query) == texts[:0:-1]


async def test_retracted_text_is_found_nowhere(office: Server) -> None:
    alice, bob = office.accounts("alice", "bob")
    async with office.client(alice) as alice_client, office.client(bob) as bob_client:
        await alice_client.be_available()
        await bob_client.be_available()
        id = alice_client.say(bob.jid, "the secretword")
        alice_client.say(bob.jid, "the othersecret", extra=correct(id))
        kept_id = alice_client.say(bob.jid, "what is kept")
        alice_client.say(bob.jid, "taken back", extra=retract(id))
        bob_client.say(alice.jid, "as if it were mine", extra=retract(kept_id))
        await asyncio.gather(alice_client.settled(), bob_client.settled())

        for client in (alice_client, bob_client):
            assert sorted(filter(None, await mam.bodies(client))) == [
                "as if it were mine",
                "taken back",
                "what is kept",
            ]
            for word in ("secretword", "othersecret"):
                assert await search_by_mam(client, 5, withtext=word) == []
    async with session(office.muniment) as http:
        for owner in (alice, bob):
            target = f"/archives/{owner.jid}/messages"
            assert await search_by_http(http, target, view="folded") == [None, "what is kept"]
            assert await search_by_http(http, target, search="secretword") == []


async def test_operator_settings_take_precedence_over_user_preferences(office: Server) -> None:
    """The preferences of users apply only within the settings of the operator."""
    alice, romeo = office.accounts("alice", "romeo@2")
    spam = Account("spam", "one.test", "a password")
    clients = [office.client(account) for account in (alice, romeo, spam)]
    async with clients[0] as alice_client, clients[1] as romeo_client, clients[2] as spammer:
        for client in (alice_client, romeo_client, spammer):
            await client.be_available()
        await alice_client.ask("set", set_preferences("always", [spam.jid]))
        assert preferences_in(await romeo_client.ask("get", GET_PREFERENCES)).default == "never"
        await romeo_client.ask("set", set_preferences("always"))

        spammer.say(alice.jid, "buy this")
        alice_client.say(romeo.jid, "to another host")
        romeo_client.say(romeo.jid, "to myself")
        id = romeo_client.say(alice.jid, "read this")
        await alice_client.wait_for_bodies(["buy this", "read this"])
        for payload in (displayed(id), received(id)):
            alice_client.send(f"<message to='{romeo.jid}' type='chat'>{payload}{STORE}</message>")
        await alice_client.settled()

        results = await mam.everything(alice_client)
        assert {result.body for result in results} == {"to another host", "read this", None}
        [receipt] = [result.message for result in results if result.body is None]
        assert receipt.find("{urn:xmpp:receipts}received") is not None
        assert await mam.bodies(romeo_client) == ["to myself"]
        assert await mam.bodies(spammer) == []


async def test_forged_stanza_ids_are_not_stored(office: Server) -> None:
    alice, bob = office.accounts("alice", "bob")
    forged = "".join(
        f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='forged'/>"
        for by in (alice.jid, bob.jid, "one.test")
    )
    async with office.client(alice) as alice_client, office.client(bob) as bob_client:
        await bob_client.be_available()
        alice_client.say(
            bob.jid, "mine", extra=f"{forged}<origin-id xmlns='urn:xmpp:sid:0' id='o1'/>"
        )
        await bob_client.wait_for_body("mine")
        for client in (alice_client, bob_client):
            [result] = await mam.everything(client)
            assert _ids(result.message) == {("origin-id", "o1")}


def _ids(message: Element) -> set[tuple[str, str | None]]:
    named = {child.tag.rpartition("}"): child.get("id") for child in message}
    return {(name, id) for (ns, _, name), id in named.items() if ns == "{urn:xmpp:sid:0"}


async def test_operators_read_within_their_role_and_are_audited(office: Server) -> None:
    alice, bob = office.accounts("alice", "bob")
    room = f"room-{alice.user}@{SERVICE}"
    archives = {owner: archive_at(office.ejabberd.component, owner) for owner in (alice.jid, room)}
    async with office.client(alice) as alice_client, office.client(bob) as bob_client:
        await bob_client.be_available()
        await alice_client.join(room, "ally")
        alice_client.say(bob.jid, "between us")
        alice_client.say(room, "between all", type="groupchat")
        await alice_client.wait_for_body("between all")
        for address in (archives[alice.jid], alice.jid):
            with pytest.raises(Refused, match="forbidden"):
                await mam.query(bob_client, to=address)
    async with office.client(READER) as reader, office.client(ADMIN) as admin:
        assert await mam.bodies(reader, to=archives[room]) == ["between all"]
        assert set(await mam.bodies(reader, to=archives[alice.jid])) == {
            "between us",
            "between all",
        }
        page = await mam.query(admin, to=archives[alice.jid], fields={"withtext": "us"})
        assert page.bodies == ["between us"]
        for request in (GET_PREFERENCES, set_preferences("never")):
            with pytest.raises(Refused, match="forbidden"):
                await admin.ask("set" if "default" in request else "get", request, to=alice.jid)
    async with http_of(office, "reader") as reader_http, http_of(office, "admin") as admin_http:
        for method, target in (
            ("GET", "/audit"),
            ("GET", "/archives"),
            ("DELETE", f"/archives/{alice.jid}"),
            ("POST", "/purges"),
        ):
            assert (await ask(reader_http, method, target))[0] == 403
        _, audit = await ask(admin_http, "GET", "/audit", params={"subject": alice.jid})
    audit_log = [(audit_entry["actor"], audit_entry["action"]) for audit_entry in audit["entries"]]
    assert audit_log == [("admin", "search"), ("reader", "read")]


async def test_reused_id_retracts_the_last_message_and_its_corrections(
    office: Server,
) -> None:
    """Clients reuse ids in later sessions, and some retract the id of their last correction."""
    alice, bob = office.accounts("alice", "bob")

    def message(id: str, body: str, extra: str = "") -> str:
        return (
            f"<message to='{bob.jid}' type='chat' id='{id}'><body>{body}</body>{extra}</message>"
        )

    async with office.client(alice) as alice_client, office.client(bob) as bob_client:
        await bob_client.be_available()
        alice_client.send(message("1", "meet at five"))
        alice_client.send(message("A", "the secretword"))
        alice_client.send(message("B", "the othersecret", correct("A")))
        await alice_client.settled()
    async with office.client(alice) as alice_client, office.client(bob) as bob_client:
        await bob_client.be_available()
        alice_client.send(message("1", "buy milk"))
        alice_client.send(message("2", "buy bread", correct("1")))
        alice_client.send(message("3", "taken back", retract("1")))
        alice_client.send(message("4", "taken back too", retract("B")))
        await asyncio.gather(alice_client.settled(), bob_client.settled())

        for client in (alice_client, bob_client):
            expected = ["meet at five", "taken back", "taken back too"]
            assert list(filter(None, await mam.bodies(client))) == expected
            for word in ("secretword", "othersecret", "buy"):
                assert await search_by_mam(client, 5, withtext=word) == []
    async with session(office.muniment) as http:
        for owner in (alice, bob):
            target = f"/archives/{owner.jid}/messages"
            folded = await search_by_http(http, target, view="folded")
            assert folded == ["meet at five", None, None]


async def test_legal_hold_prevents_retraction_erasure_and_purge(office: Server) -> None:
    """A hold covers the owner and the operators; archives of other users are not held."""
    alice, bob = office.accounts("alice", "bob")
    target = f"/archives/{alice.jid}"
    async with (
        http_of(office, "admin") as http,
        office.client(alice) as alice_client,
        office.client(bob) as bob_client,
    ):
        await bob_client.be_available()
        await ask(http, "PUT", f"/holds/{alice.jid}", json={"reason": "case 7"})
        id = alice_client.say(bob.jid, "evidence")
        alice_client.send(
            f"<message to='{bob.jid}' type='chat' id='r1'>{retract(id)}{STORE}</message>"
        )
        await bob_client.wait_for(lambda stanza: stanza.get("id") == "r1")
        assert await mam.bodies(alice_client) == ["evidence", None]
        assert await mam.bodies(bob_client) == [None, None]

        evidence = (await mam.everything(alice_client))[0].id
        await ask(http, "PUT", f"{target}/retention", json={"messages": 1})
        for path in (target, f"{target}/messages/{evidence}"):
            assert (await ask(http, "DELETE", path))[0] == 409
        await _purge(http, alice)
        assert await mam.bodies(alice_client) == ["evidence", None]

        await ask(http, "DELETE", f"/holds/{alice.jid}")
        await _purge(http, alice)
        assert await mam.bodies(alice_client) == [None]
        with pytest.raises(Refused, match="item-not-found"):
            await mam.query(alice_client, after=evidence)


async def test_undelivered_messages_do_not_count_towards_retention(office: Server) -> None:
    alice, bob, mallory = office.accounts("alice", "bob", "mallory")
    async with (
        http_of(office, "admin") as http,
        office.client(alice) as alice_client,
        office.client(bob) as bob_client,
        office.client(mallory) as mallory_client,
    ):
        await bob_client.be_available()
        await bob_client.ask("set", BLOCK.format(mallory.jid))
        texts = [f"number {n}" for n in range(3)]
        for text in texts:
            alice_client.say(bob.jid, text)
            await bob_client.wait_for_body(text)
        ids = {mallory_client.say(bob.jid, f"blocked {n}") for n in range(150)}
        for id in ids:
            await mallory_client.wait_for(lambda stanza, id=id: stanza.get("id") == id)
        await ask(http, "PUT", f"/archives/{bob.jid}/retention", json={"messages": 100})
        await _purge(http, bob)

        assert await mam.bodies(bob_client) == texts
        assert len(await mam.bodies(mallory_client)) == 150


async def _purge(http: ClientSession, owner: Account) -> None:
    """Start a purge of an archive, and return after its end."""
    started, _ = await ask(http, "POST", "/purges", json={"owner": owner.jid})
    assert started == 202
    while (await ask(http, "GET", "/purges"))[1]["current"]:  # noqa: ASYNC110 - no event shows it
        await asyncio.sleep(POLL_SECONDS)
