"""What people do with an archive from one end to the other: a user, a room, an operator."""

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
    """A pair with operators, archives of rooms, and rules of its own for what is kept."""
    with Server.running(tmp_path_factory.mktemp("office"), release, OPTIONS) as running:
        running.ejabberd.register(READER, ADMIN, Account("spam", "one.test", "a password"))
        yield running


def http_of(server: Server, operator: str) -> ClientSession:
    """Return an HTTP session of an operator."""
    secret = OPTIONS[f"operators.{operator}"]["secret"]
    return ClientSession(server.muniment.url, headers={"X-Api-Key": secret})


async def ask(http: ClientSession, method: str, target: str, **options: Any) -> tuple[int, Any]:
    """Return the status and the JSON of an answer of the archive API."""
    async with http.request(method, f"/api/v1{target}", **options) as answer:
        return answer.status, await answer.json() if answer.content_length else None


async def found_by_http(http: ClientSession, target: str, **query: str) -> list[str | None]:
    """Return the texts on all pages, following the links as a program does."""
    texts: list[str | None] = []
    next_page = f"/api/v1{target}"
    while next_page:
        async with http.get(next_page, params=query) as answer:
            assert answer.status == 200, await answer.text()
            texts += [message["body"] for message in (await answer.json())["messages"]]
            link = answer.links.get("next", {}).get("url")
            next_page, query = (urljoin(next_page, str(link)) if link else ""), {}
    return texts


async def found_by_mam(client: Client, max: int, **fields: str) -> list[str | None]:
    """Return the texts on all pages of what matches, newest page first as clients scroll."""
    texts: list[str | None] = []
    before = ""
    while True:
        page = await mam.query(client, fields=fields, max=max, before=before)
        texts = [*page.bodies, *texts]
        if page.complete:
            return texts
        before = page.first or ""


@pytest.mark.parametrize("field", [FULLTEXT, "withtext", "search"])
async def test_a_user_finds_what_was_said_long_ago(office: Server, field: str) -> None:
    alice, bob, carol = office.accounts("alice", "bob", "carol")
    said = [f'Straße number {n}, "near" * OR café' for n in range(7)]
    async with office.client(alice) as hers, office.client(bob) as his:
        await his.be_available()
        for n, text in enumerate(said):
            hers.say(bob.jid, text)
            hers.say(bob.jid, f"nothing of note {n}")
            hers.say(carol.jid, text)
        await hers.settled()
        first = (await mam.everything(hers, max=5))[0]

        for searched in ("strasse", '"NEAR or cafe"', "numb* CAFE", "STRASSE café number"):
            terms = {field: searched, "with": bob.jid, "after-id": first.id}
            assert await found_by_mam(hers, 4, **terms) == said[1:]
        for nothing in ("' OR 1=1 --", '"cafe near"', "NOT note strasse", "text:strasse"):
            assert await found_by_mam(hers, 4, **{field: nothing}) == []
        for senseless in ('"', "*", "s*"):
            with pytest.raises(Refused, match="bad-request"):
                await mam.query(hers, fields={field: senseless})
        async with session(office.muniment) as http:
            target = f"/archives/{alice.jid}/messages"
            query = {"search": "strasse", "with": bob.jid, "after": first.id, "limit": "4"}
            assert await found_by_http(http, target, **query) == said[1:]
            query |= {"order": "desc"}
            assert await found_by_http(http, target, **query) == said[:0:-1]


async def test_what_was_taken_back_is_found_nowhere(office: Server) -> None:
    alice, bob = office.accounts("alice", "bob")
    async with office.client(alice) as hers, office.client(bob) as his:
        await hers.be_available()
        await his.be_available()
        id = hers.say(bob.jid, "the secretword")
        hers.say(bob.jid, "the othersecret", extra=correct(id))
        kept = hers.say(bob.jid, "what is kept")
        hers.say(bob.jid, "taken back", extra=retract(id))
        his.say(alice.jid, "as if it were mine", extra=retract(kept))
        await asyncio.gather(hers.settled(), his.settled())

        for client in (hers, his):
            assert sorted(filter(None, await mam.bodies(client))) == [
                "as if it were mine",
                "taken back",
                "what is kept",
            ]
            for word in ("secretword", "othersecret"):
                assert await found_by_mam(client, 5, withtext=word) == []
    async with session(office.muniment) as http:
        for owner in (alice, bob):
            target = f"/archives/{owner.jid}/messages"
            assert await found_by_http(http, target, view="folded") == [None, "what is kept"]
            assert await found_by_http(http, target, search="secretword") == []


async def test_the_operator_rules_what_is_kept(office: Server) -> None:
    """What users prefer counts within that."""
    alice, romeo = office.accounts("alice", "romeo@2")
    spam = Account("spam", "one.test", "a password")
    clients = [office.client(account) for account in (alice, romeo, spam)]
    async with clients[0] as hers, clients[1] as his, clients[2] as spammer:
        for client in (hers, his, spammer):
            await client.be_available()
        await hers.ask("set", set_preferences("always", [spam.jid]))
        assert preferences_in(await his.ask("get", GET_PREFERENCES)).default == "never"
        await his.ask("set", set_preferences("always"))

        spammer.say(alice.jid, "buy this")
        hers.say(romeo.jid, "to another host")
        his.say(romeo.jid, "to myself")
        id = his.say(alice.jid, "read this")
        await hers.wait_for_bodies(["buy this", "read this"])
        for payload in (displayed(id), received(id)):
            hers.send(f"<message to='{romeo.jid}' type='chat'>{payload}{STORE}</message>")
        await hers.settled()

        texts = [(one.body, one.message) for one in await mam.everything(hers)]
        assert {text for text, _ in texts} == {"to another host", "read this", None}
        [receipt] = [message for text, message in texts if text is None]
        assert receipt.find("{urn:xmpp:receipts}received") is not None
        assert await mam.bodies(his) == ["to myself"]
        assert await mam.bodies(spammer) == []


async def test_ids_that_users_forge_are_not_stored(office: Server) -> None:
    alice, bob = office.accounts("alice", "bob")
    forged = "".join(
        f"<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='forged'/>"
        for by in (alice.jid, bob.jid, "one.test")
    )
    async with office.client(alice) as hers, office.client(bob) as his:
        await his.be_available()
        hers.say(bob.jid, "mine", extra=f"{forged}<origin-id xmlns='urn:xmpp:sid:0' id='o1'/>")
        await his.wait_for_body("mine")
        for client in (hers, his):
            [found] = await mam.everything(client)
            assert _ids(found.message) == {("origin-id", "o1")}


def _ids(message: Element) -> set[tuple[str, str | None]]:
    named = {child.tag.rpartition("}"): child.get("id") for child in message}
    return {(name, id) for (ns, _, name), id in named.items() if ns == "{urn:xmpp:sid:0"}


async def test_operators_read_what_their_role_allows_and_leave_a_line(office: Server) -> None:
    alice, bob = office.accounts("alice", "bob")
    room = f"room-{alice.user}@{SERVICE}"
    at = {owner: archive_at(office.ejabberd.component, owner) for owner in (alice.jid, room)}
    async with office.client(alice) as hers, office.client(bob) as his:
        await his.be_available()
        await hers.join(room, "ally")
        hers.say(bob.jid, "between us")
        hers.say(room, "between all", type="groupchat")
        await hers.wait_for_body("between all")
        for address in (at[alice.jid], alice.jid):
            with pytest.raises(Refused, match="forbidden"):
                await mam.query(his, to=address)
    async with office.client(READER) as reader, office.client(ADMIN) as admin:
        assert await mam.bodies(reader, to=at[room]) == ["between all"]
        assert set(await mam.bodies(reader, to=at[alice.jid])) == {"between us", "between all"}
        page = await mam.query(admin, to=at[alice.jid], fields={"withtext": "us"})
        assert page.bodies == ["between us"]
        for request in (GET_PREFERENCES, set_preferences("never")):
            with pytest.raises(Refused, match="forbidden"):
                await admin.ask("set" if "default" in request else "get", request, to=alice.jid)
    async with http_of(office, "reader") as reads, http_of(office, "admin") as admins:
        for method, target in (
            ("GET", "/audit"),
            ("GET", "/archives"),
            ("DELETE", f"/archives/{alice.jid}"),
            ("POST", "/purges"),
        ):
            assert (await ask(reads, method, target))[0] == 403
        _, log = await ask(admins, "GET", "/audit", params={"subject": alice.jid})
    audit_log = [(audit_entry["actor"], audit_entry["action"]) for audit_entry in log["entries"]]
    assert audit_log == [("admin", "search"), ("reader", "read")]


async def test_an_id_means_the_last_message_and_a_correction_what_it_corrects(
    office: Server,
) -> None:
    """Clients use ids again in later sessions, and some retract their last correction."""
    alice, bob = office.accounts("alice", "bob")

    def said(id: str, body: str, extra: str = "") -> str:
        return (
            f"<message to='{bob.jid}' type='chat' id='{id}'><body>{body}</body>{extra}</message>"
        )

    async with office.client(alice) as hers, office.client(bob) as his:
        await his.be_available()
        hers.send(said("1", "meet at five"))
        hers.send(said("A", "the secretword"))
        hers.send(said("B", "the othersecret", correct("A")))
        await hers.settled()
    async with office.client(alice) as hers, office.client(bob) as his:
        await his.be_available()
        hers.send(said("1", "buy milk"))
        hers.send(said("2", "buy bread", correct("1")))
        hers.send(said("3", "taken back", retract("1")))
        hers.send(said("4", "taken back too", retract("B")))
        await asyncio.gather(hers.settled(), his.settled())

        for client in (hers, his):
            kept = ["meet at five", "taken back", "taken back too"]
            assert list(filter(None, await mam.bodies(client))) == kept
            for word in ("secretword", "othersecret", "buy"):
                assert await found_by_mam(client, 5, withtext=word) == []
    async with session(office.muniment) as http:
        for owner in (alice, bob):
            target = f"/archives/{owner.jid}/messages"
            folded = await found_by_http(http, target, view="folded")
            assert folded == ["meet at five", None, None]


async def test_under_a_legal_hold_nothing_can_be_made_to_vanish(office: Server) -> None:
    """Not by its owner, nor by an operator; in other archives nothing is held."""
    alice, bob = office.accounts("alice", "bob")
    target = f"/archives/{alice.jid}"
    async with (
        http_of(office, "admin") as http,
        office.client(alice) as hers,
        office.client(bob) as his,
    ):
        await his.be_available()
        await ask(http, "PUT", f"/holds/{alice.jid}", json={"reason": "case 7"})
        id = hers.say(bob.jid, "evidence")
        hers.send(f"<message to='{bob.jid}' type='chat' id='r1'>{retract(id)}{STORE}</message>")
        await his.wait_for(lambda stanza: stanza.get("id") == "r1")
        assert await mam.bodies(hers) == ["evidence", None]
        assert await mam.bodies(his) == [None, None]

        evidence = (await mam.everything(hers))[0].id
        await ask(http, "PUT", f"{target}/retention", json={"messages": 1})
        for path in (target, f"{target}/messages/{evidence}"):
            assert (await ask(http, "DELETE", path))[0] == 409
        await _purge(http, alice)
        assert await mam.bodies(hers) == ["evidence", None]

        await ask(http, "DELETE", f"/holds/{alice.jid}")
        await _purge(http, alice)
        assert await mam.bodies(hers) == [None]
        with pytest.raises(Refused, match="item-not-found"):
            await mam.query(hers, after=evidence)


async def test_messages_that_were_never_delivered_push_no_others_out(office: Server) -> None:
    alice, bob, mallory = office.accounts("alice", "bob", "mallory")
    async with (
        http_of(office, "admin") as http,
        office.client(alice) as hers,
        office.client(bob) as his,
        office.client(mallory) as client,
    ):
        await his.be_available()
        await his.ask("set", BLOCK.format(mallory.jid))
        said = [f"number {n}" for n in range(3)]
        for text in said:
            hers.say(bob.jid, text)
            await his.wait_for_body(text)
        ids = {client.say(bob.jid, f"blocked {n}") for n in range(150)}
        for id in ids:
            await client.wait_for(lambda stanza, id=id: stanza.get("id") == id)
        await ask(http, "PUT", f"/archives/{bob.jid}/retention", json={"messages": 100})
        await _purge(http, bob)

        assert await mam.bodies(his) == said
        assert len(await mam.bodies(client)) == 150


async def _purge(http: ClientSession, owner: Account) -> None:
    """Have an archive brought within its bounds, and wait until it is."""
    started, _ = await ask(http, "POST", "/purges", json={"owner": owner.jid})
    assert started == 202
    while (await ask(http, "GET", "/purges"))[1]["current"]:
        pass
