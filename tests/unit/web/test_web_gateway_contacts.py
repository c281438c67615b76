"""Contacts over the REST gateway."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pytest_aiohttp import AiohttpClient
from support.builders import entry
from support.gateway import ALICE, BOB, CAROL, GatewayWorld, OldClient, gateway_world
from support.http_services import HOST

from component.core.sessions import commands, events
from component.core.sessions.events import PresenceOf, RosterItem
from component.core.sessions.outgoing import Subscription
from component.web.app import make_app
from component.web.server.settings import Listener, Services

FRIEND = RosterItem(jid=BOB, name="Bob", subscription="both", groups=("Friends",))


@pytest.fixture
async def world(services: Services) -> GatewayWorld:
    world = await gateway_world(services)
    await world.befriend(FRIEND)
    return world


@pytest.fixture
async def alice(aiohttp_client: AiohttpClient, world: GatewayWorld) -> OldClient:
    http = await aiohttp_client(make_app(world.web, world.services, Listener.PUBLIC))
    client = OldClient(http)
    await client.start()
    return client


def report(world: GatewayWorld, event: events.Event) -> None:
    """Let the server tell the connection of alice something."""
    world.sessions.open[ALICE].report(event)


def subscriptions(world: GatewayWorld) -> list[tuple[str, str]]:
    """Return the presences about subscriptions that alice has sent."""
    sent = [
        command.message
        for command in world.sessions.open[ALICE].sent
        if isinstance(command, commands.Transmit)
    ]
    return [(stanza.to, stanza.type) for stanza in sent if isinstance(stanza, Subscription)]


async def changed(client: OldClient, offset: int) -> dict[str, dict[str, Any]]:
    """Return the contacts that changed behind an offset, by JID."""
    contacts = (await client.get("/contacts", offset=offset))["contacts"]
    return {contact["jid"]: contact for contact in contacts}


async def test_contact_has_all_keys(alice: OldClient) -> None:
    contact = await alice.contact(BOB)

    assert re.fullmatch("[0-9a-f]{32}", contact.pop("id"))
    assert contact.pop("timestamp") > 1.7e9
    assert contact == {
        "jid": BOB,
        "name": "Bob",
        "show": "offline",
        "status": None,
        "authorization": "granted",
        "read_offset": 0,
        "subscription": "both",
        "ask": None,
        "event_id": 1,
        "groups": ["Friends"],
    }
    assert (await alice.get("/contacts"))["offset"] == 1


async def test_one_contact_is_shown_as_in_the_list(alice: OldClient) -> None:
    contact = await alice.contact(BOB)

    assert await alice.get(f"/contacts/{contact['id']}") == {"contact": contact}
    assert await alice.get("/contacts/unknown", 404) == {
        "error": {"code": "XMPPContactError", "text": "There is no contact with id unknown"}
    }


async def test_id_of_a_contact_is_the_same_after_a_restart_and_for_nobody_else(
    aiohttp_client: AiohttpClient, world: GatewayWorld, alice: OldClient
) -> None:
    id = (await alice.contact(BOB))["id"]
    again = world.restarted()
    http = await aiohttp_client(make_app(again.web, again.services, Listener.PUBLIC))
    alice.http = http

    assert (await alice.contact(BOB))["id"] == id
    bob = OldClient(http)
    await bob.start(BOB)
    assert (await bob.contact(BOB))["id"] != id


async def test_offset_shows_what_changed_behind_it(alice: OldClient, world: GatewayWorld) -> None:
    for offset in (0, 1):
        assert set(await changed(alice, offset)) == ({BOB} if offset == 0 else set())

    report(world, PresenceOf(jid=f"{BOB}/phone", show="dnd", status="Busy", priority=1))
    after_presence = await changed(alice, 1)
    assert (after_presence[BOB]["show"], after_presence[BOB]["status"]) == ("dnd", "Busy")
    assert after_presence[BOB]["event_id"] == 2

    # The resource with the highest priority counts.
    report(world, PresenceOf(jid=f"{BOB}/desk", priority=5))
    report(world, PresenceOf(jid=f"{BOB}/old", show="xa", priority=-1))
    assert (await changed(alice, 2))[BOB]["show"] == "online"

    for resource in ("phone", "desk", "old"):
        report(world, PresenceOf(jid=f"{BOB}/{resource}", type="unavailable"))
    offline = (await changed(alice, 4))[BOB]
    assert (offline["show"], offline["status"], offline["event_id"]) == ("offline", None, 7)
    assert await changed(alice, 7) == {}


async def test_wrong_offset_is_400(alice: OldClient) -> None:
    for offset in ("x", "nan", "inf", "1e999", "--1"):
        for path in ("/contacts", "/messages", "/feed", "/contacts/1/messages"):
            answer = await alice.get(path, 400, offset=offset)

            assert answer["error"] == {
                "code": "XMPPServiceParametersError",
                "text": "Parameter offset has wrong value",
            }


async def test_offset_may_be_a_fraction_negative_or_greater_than_any_event(
    alice: OldClient,
) -> None:
    assert set(await changed(alice, 0.5)) == {BOB}  # type: ignore[arg-type]
    assert set(await changed(alice, -3)) == {BOB}
    # The archive was erased: the client begins anew.
    assert set(await changed(alice, 10**30)) == {BOB}


async def test_added_contact_is_asked_for_its_presence(
    alice: OldClient, world: GatewayWorld
) -> None:
    body = {"contact": {"jid": f"Carol@{HOST}", "name": "Carol"}}

    answer = await alice.call("POST", "/contacts", json=body)

    [contact] = answer["contacts"]
    assert contact == await alice.contact(CAROL)
    assert (contact["name"], contact["ask"]) == ("Carol", "subscribe")
    assert (contact["subscription"], contact["authorization"]) == ("none", "none")
    assert commands.SetContact(CAROL, "Carol", ()) in world.sessions.open[ALICE].sent
    assert subscriptions(world) == [(CAROL, "subscribe")]


@pytest.mark.parametrize(
    "contact",
    [{}, {"jid": ""}, {"jid": "@"}, {"jid": f"{CAROL}/phone"}, {"jid": ALICE}, {"jid": 1}]
    + [{"jid": CAROL, "name": name} for name in ("", 1, "x" * 2000, "a\nb", "\ud800")],
)
async def test_wrong_contact_is_400(alice: OldClient, contact: dict[str, Any]) -> None:
    answer = await alice.call("POST", "/contacts", 400, {"contact": contact})

    assert answer["error"]["code"] == "XMPPServiceParametersError"


async def test_contact_is_renamed_and_keeps_its_groups(alice: OldClient) -> None:
    id = (await alice.contact(BOB))["id"]

    answer = await alice.call("PUT", f"/contacts/{id}", json={"contact": {"name": "Robert"}})

    [contact] = answer["contacts"]
    assert (contact["name"], contact["groups"], contact["id"]) == ("Robert", ["Friends"], id)
    assert contact["event_id"] > 1


async def test_request_is_a_contact_until_it_is_granted(
    alice: OldClient, world: GatewayWorld
) -> None:
    report(world, PresenceOf(jid=CAROL, type="subscribe"))
    contact = await alice.contact(CAROL)
    assert (contact["authorization"], contact["subscription"]) == ("requested", "none")
    assert contact["event_id"] == 2

    body = {"contact": {"authorization": "granted"}}
    answer = await alice.call("PUT", f"/contacts/{contact['id']}", json=body)

    [granted] = answer["contacts"]
    assert (granted["authorization"], granted["subscription"]) == ("granted", "from")
    assert granted["event_id"] > 2


async def test_refused_request_is_no_contact(alice: OldClient, world: GatewayWorld) -> None:
    report(world, PresenceOf(jid=CAROL, type="subscribe"))
    id = (await alice.contact(CAROL))["id"]

    body = {"contact": {"authorization": "none"}}
    assert await alice.call("PUT", f"/contacts/{id}", json=body) == {"contacts": []}

    assert subscriptions(world) == [(CAROL, "unsubscribed")]
    await alice.get(f"/contacts/{id}", 404)


async def test_authorization_is_withdrawn(alice: OldClient) -> None:
    id = (await alice.contact(BOB))["id"]

    body = {"contact": {"authorization": "none"}}
    [contact] = (await alice.call("PUT", f"/contacts/{id}", json=body))["contacts"]

    assert contact["authorization"] == "none"


async def test_contact_is_removed(alice: OldClient) -> None:
    id = (await alice.contact(BOB))["id"]

    assert await alice.call("DELETE", f"/contacts/{id}") == {}

    await alice.get(f"/contacts/{id}", 404)
    assert (await alice.get("/contacts"))["contacts"] == []
    assert await alice.call("DELETE", f"/contacts/{id}") == {}


async def test_get_authorizes_and_removes_if_configured(
    aiohttp_client: AiohttpClient, services: Services
) -> None:
    world = await gateway_world(services, changes_by_get=True)
    client = OldClient(await aiohttp_client(make_app(world.web, world.services, Listener.PUBLIC)))
    await client.start()
    report(world, PresenceOf(jid=CAROL, type="subscribe"))
    id = (await client.contact(CAROL))["id"]

    [contact] = (await client.get(f"/contacts/{id}/authorize"))["contacts"]
    assert contact["authorization"] == "granted"

    assert await client.get(f"/contacts/{id}/delete") == {}
    assert (await client.get("/contacts"))["contacts"] == []


async def test_read_offset_moves_forward_and_is_an_event(
    alice: OldClient, services: Services
) -> None:
    contact = await alice.contact(BOB)
    await services.writer.store([entry(n) for n in range(3)])  # 2, 3 and 4
    path = f"/contacts/{contact['id']}"

    async def read(offset: int) -> int:
        body = {"contact": {"read_offset": offset}}
        [contact] = (await alice.call("PUT", path, json=body))["contacts"]
        return contact["read_offset"]  # type: ignore[no-any-return]

    assert [await read(offset) for offset in (1, 3, 2, 10**6)] == [0, 3, 3, 4]
    after = await changed(alice, 4)
    assert (after[BOB]["read_offset"], after[BOB]["event_id"]) == (4, 6)
    page = await services.storage.archive.conversations(ALICE, limit=1)
    assert page.conversations[0].unread == 0


@pytest.mark.parametrize(
    "contact",
    [{"name": ""}, {"authorization": "requested"}, {"read_offset": -1}, {"read_offset": "1"}],
)
async def test_wrong_change_is_400(alice: OldClient, contact: dict[str, Any]) -> None:
    id = (await alice.contact(BOB))["id"]

    answer = await alice.call("PUT", f"/contacts/{id}", 400, {"contact": contact})

    [field] = contact
    assert answer["error"]["text"] == f"Missing or wrong request body: contact.{field}"


async def test_change_without_connection_is_502(alice: OldClient, world: GatewayWorld) -> None:
    id = (await alice.contact(BOB))["id"]
    world.sessions.accepts = False
    world.sessions.close_session(ALICE)

    answer = await alice.call("PUT", f"/contacts/{id}", 502, {"contact": {"name": "x"}})

    assert answer["error"]["code"] == "XMPPUpstreamConnectionError"
    # Reading needs no connection.
    assert (await alice.contact(BOB))["name"] == "Bob"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/contacts", {"contact": {"jid": BOB}}),
        ("PUT", "/contacts/{}", {"contact": {"name": "x"}}),
        ("PUT", "/contacts/{}", {"contact": {"authorization": "granted"}}),
        ("DELETE", "/contacts/{}", None),
    ],
)
async def test_change_without_a_password_that_ejabberd_accepts_is_401(
    alice: OldClient, world: GatewayWorld, method: str, path: str, body: object
) -> None:
    """Muniment was restarted, and ejabberd accepts no access tokens."""
    id = (await alice.contact(BOB))["id"]
    world.sessions.accepts, world.sessions.refuses = False, True
    world.sessions.close_session(ALICE)

    answer = await alice.call(method, path.format(id), 401, body)

    assert answer["error"]["code"] == "XMPPAuthError"
    assert "start a session again" in answer["error"]["text"]


async def test_contacts_that_were_known_before_the_first_session_are_there(
    aiohttp_client: AiohttpClient, world: GatewayWorld
) -> None:
    """The user has sent over HTTP before, so the connection is open already."""
    world.sessions.session(ALICE)
    report(world, PresenceOf(jid=f"{BOB}/phone"))
    report(world, PresenceOf(jid=CAROL, type="subscribe"))
    client = OldClient(await aiohttp_client(make_app(world.web, world.services, Listener.PUBLIC)))

    await client.start()

    assert (await client.contact(BOB))["show"] == "online"
    assert (await client.contact(CAROL))["authorization"] == "requested"
