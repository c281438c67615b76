"""XEP-0356: Privileged Entity, version 0.4.1: permissions to send messages and to read rosters.

ejabberd up to 24.07 uses urn:xmpp:privilege:1, later releases and the document use :2.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from support.roster_queries import NS_ROSTER, answer_roster_get, next_roster_get
from support.wire import (
    ALICE,
    ALICE_PHONE,
    COMPONENT,
    HOST,
    NS_CLIENT,
    NS_FORWARD,
    NS_MAM,
    PRIVILEGE_1,
    PRIVILEGE_2,
    Wire,
    element_at,
    open_wire,
)

VERSIONS = pytest.mark.parametrize("version", [PRIVILEGE_1, PRIVILEGE_2])


async def sent_as_alice(folder: Path, version: str) -> list:
    async with open_wire(folder, granted=[version]) as wire:
        wire.say("hello")
        return (await wire.history()).wrapped


async def test_without_permission_no_message_is_sent(tmp_path: Path) -> None:
    """5.1: "none - the entity is not allowed to send <message/> stanza in the name of the
    server. This is usually the default value"."""
    async with open_wire(tmp_path, granted=[]) as wire:
        wire.say("hello")

        assert (await wire.history()).wrapped == []


async def test_permission_of_type_none_is_no_permission(tmp_path: Path) -> None:
    """5.1: "none - the entity is not allowed"."""
    async with open_wire(tmp_path, granted=[]) as wire:
        wire.grant(type="none")
        wire.say("hello")

        assert (await wire.history()).wrapped == []


@VERSIONS
async def test_privilege_uses_the_advertised_version(tmp_path: Path, version: str) -> None:
    """5.2 (paraphrase): the server advertises the permission, with access message and type
    outgoing."""
    [message] = await sent_as_alice(tmp_path, version)

    assert message[0].tag == f"{{{version}}}privilege"


@VERSIONS
async def test_message_is_forwarded_inside_a_privilege(tmp_path: Path, version: str) -> None:
    """5.1: "The <forwarded/> element MUST be a child of a <privilege/> element"."""
    [message] = await sent_as_alice(tmp_path, version)

    path = f"{{{version}}}privilege/{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}message"
    assert message.find(path) is not None


@VERSIONS
async def test_message_comes_from_a_bare_address_of_the_server(
    tmp_path: Path, version: str
) -> None:
    """5.1: "forwarded <message/> 'from' attribute MUST be a bare JID from the server, no resource
    is allowed"."""
    [message] = await sent_as_alice(tmp_path, version)

    inner = element_at(message, f"{{{version}}}privilege/{{{NS_FORWARD}}}forwarded/*")
    assert (inner.get("from"), inner.get("to")) == (ALICE, ALICE_PHONE)


@VERSIONS
async def test_outer_message_goes_to_the_server(tmp_path: Path, version: str) -> None:
    """5.3 (paraphrase of the example): from the entity, to the server, of no type."""
    [message] = await sent_as_alice(tmp_path, version)

    assert message.attrib == {"from": COMPONENT, "to": HOST}


async def test_error_for_a_privileged_message_is_ignored(wire: Wire) -> None:
    """5.1: "If this rule is violated, the server MUST return a <message/> error with condition
    <forbidden/>"."""
    wire.peer.send(
        f"<message type='error' from='{HOST}' to='{COMPONENT}'><error type='auth'>"
        "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
    )
    wire.say("hello")

    assert (await wire.history()).bodies == ["hello"]


async def test_permission_from_another_entity_is_ignored(tmp_path: Path) -> None:
    """8 (paraphrase): the entity must check that permissions come from the server."""
    async with open_wire(tmp_path, granted=[]) as wire:
        wire.grant(host="evil.example")
        wire.grant(host=ALICE)
        wire.say("hello")

        assert (await wire.history()).wrapped == []


# Rosters


async def prefer_roster(wire: Wire) -> str | None:
    """Set the preferences of alice to `roster`; return the error condition."""
    return (await wire.delegated(f"<prefs xmlns='{NS_MAM}' default='roster'/>")).refusal


@pytest.mark.parametrize("permission", ["none", "set"])
async def test_without_permission_no_roster_is_read(tmp_path: Path, permission: str) -> None:
    """4.1: "none - the entity is not allowed to access <user/> roster at all. This is usually the
    default value"; "set - the entity is allowed to send only <iq/> stanzas of type 'set'"
    (paraphrase)."""
    async with open_wire(tmp_path) as wire:
        await prefer_roster(wire)
        wire.grant(roster=permission)
        wire.say("hello")

        assert (await wire.history()).bodies == ["hello"]
        assert await prefer_roster(wire) == "feature-not-implemented"


@pytest.mark.parametrize("permission", ["get", "both"])
async def test_roster_query_is_addressed_to_the_user(wire: Wire, permission: str) -> None:
    """4.3 (paraphrase): the entity asks like the user itself, but with its own JID in 'from' and
    the user's bare JID in 'to'."""
    wire.grant(roster=permission)
    await prefer_roster(wire)
    wire.say("hello")
    query = await next_roster_get(wire)
    answer_roster_get(wire, query)

    assert (query.get("type"), query.get("from"), query.get("to")) == ("get", COMPONENT, ALICE)
    assert [child.tag for child in query] == [f"{{{NS_ROSTER}}}query"]
