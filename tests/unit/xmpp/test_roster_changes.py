"""Rosters of the server, changed by privilege."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from support.roster_queries import NS_ROSTER, next_roster_get
from support.wire import ALICE, BOB, COMPONENT, FOOTER, NS_STANZAS, PRIVILEGE_2, Wire, open_wire

from component.core.errors import BadRequest, NotAllowed, Overloaded, Refused
from component.core.rosters.contacts import Change
from component.xmpp.rosters.privileged import PrivilegedRosters

ROSTER = f"{{{NS_ROSTER}}}"
ROMEO = "romeo@remote.example"

BOBBY = f"<item jid='{BOB}' name='Bobby' subscription='both'><group>Work</group></item>"


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    """A component that may read and set rosters."""
    async with open_wire(tmp_path, granted=[]) as opened:
        opened.grant(PRIVILEGE_2, roster="both")
        await opened.caught_up()
        yield opened


async def give(wire: Wire, items: str = BOBBY) -> None:
    """Answer the next roster get."""
    roster_get = await next_roster_get(wire)
    answer(wire, roster_get, f"<query xmlns='{NS_ROSTER}'>{items}</query>")


def answer(wire: Wire, query: Element, payload: str = "", type: str = "result") -> None:
    id = query.get("id")
    wire.peer.send(f"<iq type='{type}' from='{ALICE}' to='{COMPONENT}' id='{id}'>{payload}</iq>")


async def set_item(wire: Wire) -> tuple[Element, Element]:
    """Return the next stanza and the only item that it sets."""
    iq = await wire.next_sent()
    assert (iq.get("type"), iq.get("from"), iq.get("to")) == ("set", COMPONENT, ALICE)
    (item,) = iq.findall(f"{ROSTER}query/{ROSTER}item")
    return iq, item


def begin(task: Coroutine[None, None, None]) -> asyncio.Task[None]:
    return asyncio.create_task(task)


async def test_roster_set_has_name_and_groups(wire: Wire) -> None:
    task = begin(wire.parts.rosters.change(ALICE, Change(jid=BOB, name="Robert")))
    await give(wire)
    iq, item = await set_item(wire)
    answer(wire, iq)
    await task

    # A roster set replaces the contact, but must not contain a subscription.
    assert dict(item.attrib) == {"jid": BOB, "name": "Robert"}
    assert [group.text for group in item] == ["Work"]


async def test_new_contact_is_set(wire: Wire) -> None:
    change = Change(jid=ROMEO, name="", subscription="none", groups=("a&b",))
    task = begin(wire.parts.rosters.change(ALICE, change))
    await give(wire)
    iq, item = await set_item(wire)
    answer(wire, iq)
    await task

    assert (dict(item.attrib), [group.text for group in item]) == ({"jid": ROMEO}, ["a&b"])


@pytest.mark.parametrize("by_change", [False, True])
async def test_contact_is_removed(wire: Wire, by_change: bool) -> None:
    lists = wire.parts.rosters
    change = Change(jid=BOB, subscription="remove")
    task = begin(lists.change(ALICE, change) if by_change else lists.remove(ALICE, BOB))
    iq, item = await set_item(wire)
    answer(wire, iq)
    await task

    assert dict(item.attrib) == {"jid": BOB, "subscription": "remove"}


async def test_item_not_found_counts_as_removed(wire: Wire) -> None:
    task = begin(wire.parts.rosters.remove(ALICE, BOB))
    iq, _ = await set_item(wire)
    answer(wire, iq, error("item-not-found"), "error")

    await task


async def test_clear_removes_each_contact(wire: Wire) -> None:
    task = begin(wire.parts.rosters.clear(ALICE))
    await give(wire, f"{BOBBY}<item jid='{ROMEO}'/>")
    removed = []
    for _ in range(2):
        iq, item = await set_item(wire)
        removed.append(item.get("jid"))
        answer(wire, iq)
    await task

    assert removed == [BOB, ROMEO]


@pytest.mark.parametrize(
    "change", [Change(jid=BOB, subscription="to"), Change(jid=BOB, ask="subscribe")]
)
async def test_change_of_a_subscription_is_not_allowed(wire: Wire, change: Change) -> None:
    task = begin(wire.parts.rosters.change(ALICE, change))
    await give(wire)

    with pytest.raises(NotAllowed, match="subscriptions"):
        await task


@pytest.mark.parametrize(
    ("condition", "refused", "pattern"),
    [
        ("internal-server-error", NotAllowed, "23.10"),
        ("forbidden", NotAllowed, "forbidden"),
        ("not-acceptable", BadRequest, "not-acceptable"),
        ("bad-request", BadRequest, "bad-request"),
    ],
)
async def test_error_of_the_server_becomes_a_refusal(
    wire: Wire, condition: str, refused: type[Refused], pattern: str
) -> None:
    task = begin(wire.parts.rosters.remove(ALICE, BOB))
    iq, _ = await set_item(wire)
    answer(wire, iq, error(condition), "error")

    with pytest.raises(refused, match=pattern):
        await task


async def test_timeout_is_overloaded(wire: Wire) -> None:
    rosters = PrivilegedRosters(wire.stream, wire.parts.privileges, timeout=0.01)

    with pytest.raises(Overloaded):
        await rosters.remove(ALICE, BOB)


async def test_lost_connection_is_overloaded(wire: Wire) -> None:
    task = begin(wire.parts.rosters.remove(ALICE, BOB))
    await set_item(wire)
    wire.peer.send(FOOTER)

    with pytest.raises(Overloaded):
        await task


@pytest.mark.parametrize("roster", ["get", "none"])
async def test_no_roster_set_is_sent_without_permission(wire: Wire, roster: str) -> None:
    wire.grant(PRIVILEGE_2, roster=roster)
    await wire.caught_up()
    for task in (
        wire.parts.rosters.change(ALICE, Change(jid=BOB)),
        wire.parts.rosters.remove(ALICE, BOB),
        wire.parts.rosters.clear(ALICE),
    ):
        with pytest.raises(NotAllowed, match="mod_privilege"):
            await task

    await wire.caught_up()


async def test_permission_to_set_is_enough_to_remove(wire: Wire) -> None:
    wire.grant(PRIVILEGE_2, roster="set")
    await wire.caught_up()
    task = begin(wire.parts.rosters.remove(ALICE, BOB))
    iq, _ = await set_item(wire)
    answer(wire, iq)
    await task

    with pytest.raises(Overloaded, match="cannot be read"):
        await wire.parts.rosters.change(ALICE, Change(jid=BOB))


def error(condition: str) -> str:
    return f"<error type='cancel'><{condition} xmlns='{NS_STANZAS}'/></error>"
