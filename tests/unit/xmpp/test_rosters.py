"""Rosters read from the server, and pushes that announce changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.roster_queries import NS_ROSTER, answer_roster_get, next_roster_get, push
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB,
    BOB_PHONE,
    COMPONENT,
    FOOTER,
    HOST,
    NS_MAM,
    NS_STANZAS,
    OTHER_HOST,
    PRIVILEGE_1,
    PRIVILEGE_2,
    Wire,
    open_wire,
)

from component.xmpp.rosters.privileged import PrivilegedRosters

ROMEO = "romeo@remote.example"


async def prefer_roster(wire: Wire, asker: str = ALICE_PHONE) -> str | None:
    """Set the default preference to `roster`; return the refusal."""
    prefs = f"<prefs xmlns='{NS_MAM}' default='roster'/>"
    return (await wire.direct(prefs, asker=asker)).refusal


async def read_once(wire: Wire, *contacts: str) -> None:
    """Let the component read and cache alice's roster; her archive stays empty."""
    await prefer_roster(wire)
    wire.say("first", to="nobody@remote.example")
    answer_roster_get(wire, await next_roster_get(wire), *contacts)
    assert (await wire.history()).bodies == []


async def test_roster_get_is_sent_to_the_bare_jid(wire: Wire) -> None:
    await prefer_roster(wire)
    wire.say("hello")
    roster_get = await next_roster_get(wire)

    assert (roster_get.get("from"), roster_get.get("to")) == (COMPONENT, ALICE)
    answer_roster_get(wire, roster_get)


async def test_jids_of_contacts_are_prepared(wire: Wire) -> None:
    await prefer_roster(wire)
    wire.say("hello")
    answer_roster_get(wire, await next_roster_get(wire), "BOB@Example.ORG")

    assert (await wire.history()).bodies == ["hello"]


async def test_empty_roster_has_no_contacts(wire: Wire) -> None:
    await prefer_roster(wire)
    wire.say("hello")
    answer_roster_get(wire, await next_roster_get(wire))

    assert (await wire.history()).bodies == []


async def test_message_is_archived_when_the_roster_is_refused(wire: Wire) -> None:
    await prefer_roster(wire)
    wire.say("hello")
    roster_get = await next_roster_get(wire)
    wire.peer.send(
        f"<iq type='error' from='{ALICE}' to='{COMPONENT}' id='{roster_get.get('id')}'>"
        f"<error type='auth'><forbidden xmlns='{NS_STANZAS}'/></error></iq>"
    )

    assert (await wire.history()).bodies == ["hello"]


async def test_roster_that_is_not_answered_in_time_is_unknown(wire: Wire) -> None:
    rosters = PrivilegedRosters(wire.stream, wire.parts.privileges, timeout=0.01)
    await wire.caught_up()

    assert rosters.are_readable(HOST)
    assert await rosters.roster(ALICE) is None
    await next_roster_get(wire)


async def test_message_is_archived_when_the_connection_is_lost(wire: Wire) -> None:
    await prefer_roster(wire)
    wire.say("hello")
    await next_roster_get(wire)
    wire.peer.send(FOOTER)
    await wire.peer.connection_closed()
    await wire.welcome()
    wire.grant()

    assert (await wire.history()).bodies == ["hello"]


async def test_roster_result_from_another_address_is_ignored(wire: Wire) -> None:
    await prefer_roster(wire)
    wire.say("hello", to=ROMEO)
    roster_get = await next_roster_get(wire)
    wire.peer.send(
        f"<iq type='result' from='{BOB_PHONE}' to='{COMPONENT}' id='{roster_get.get('id')}'>"
        f"<query xmlns='{NS_ROSTER}'><item jid='{ROMEO}'/></query></iq>"
    )
    answer_roster_get(wire, roster_get, BOB)

    assert (await wire.history()).bodies == []


# Permission


@pytest.mark.parametrize("roster", ["get", "both"])
@pytest.mark.parametrize("namespace", [PRIVILEGE_1, PRIVILEGE_2])
async def test_roster_default_is_accepted_with_permission(
    tmp_path: Path, roster: str, namespace: str
) -> None:
    async with open_wire(tmp_path, granted=[]) as wire:
        wire.grant(namespace, roster=roster)

        assert await prefer_roster(wire) is None


@pytest.mark.parametrize("roster", ["none", "set", "", "outgoing"])
async def test_roster_default_is_refused_without_permission(tmp_path: Path, roster: str) -> None:
    async with open_wire(tmp_path, granted=[]) as wire:
        wire.grant(roster=roster)

        assert await prefer_roster(wire) == "feature-not-implemented"


async def test_permission_is_per_host(tmp_path: Path) -> None:
    async with open_wire(tmp_path, granted=[]) as wire:
        wire.grant(host=OTHER_HOST)

        assert await prefer_roster(wire) == "feature-not-implemented"
        assert await prefer_roster(wire, f"carol@{OTHER_HOST}/x") is None


async def test_message_is_archived_after_permission_is_revoked(wire: Wire) -> None:
    await prefer_roster(wire)
    wire.grant(roster="none")
    wire.say("hello")

    assert (await wire.history()).bodies == ["hello"]


# Pushes


@pytest.mark.parametrize("sender", [ALICE, ALICE.upper(), None])
async def test_roster_push_has_the_roster_read_again(wire: Wire, sender: str | None) -> None:
    await read_once(wire, BOB)
    wire.peer.send(push(sender=sender, to=ALICE_PHONE))
    wire.say("hello", to=ROMEO)
    answer_roster_get(wire, await next_roster_get(wire), ROMEO)

    assert (await wire.history()).bodies == ["hello"]


NO_PUSHES = {
    "of another user": push(sender=BOB, to=BOB_PHONE),
    "by another user": push(sender=BOB, to=ALICE_PHONE),
    "by one of her clients": push(sender=f"{ALICE}/laptop", to=ALICE_PHONE),
    "by a stranger": push(sender="eve@evil.example", to=ALICE_PHONE),
    "by the server": push(sender=HOST, to=ALICE_PHONE),
    "to no client of hers": push(sender=ALICE, to=ALICE),
    "an answer": push(sender=ALICE, to=ALICE_PHONE, type="result"),
    "a question": push(sender=ALICE, to=ALICE_PHONE, type="get"),
    "copied by another host": push(sender=ALICE, to=ALICE_PHONE, host=OTHER_HOST),
    "copied by nobody": push(sender=ALICE, to=ALICE_PHONE, host="evil.example"),
    "of something else": push(sender=ALICE, to=ALICE_PHONE).replace(NS_ROSTER, "urn:x"),
    "not a query": push(sender=ALICE, to=ALICE_PHONE)
    .replace("iq ", "presence ")
    .replace("/iq", "/presence"),
}


@pytest.mark.parametrize("copy", NO_PUSHES.values(), ids=NO_PUSHES.keys())
async def test_other_copied_iq_is_no_roster_push(wire: Wire, copy: str) -> None:
    await read_once(wire, BOB)
    wire.peer.send(copy)
    wire.say("hello", to=BOB)
    wire.say("nor this", to=ROMEO)

    assert (await wire.history()).bodies == ["hello"]
