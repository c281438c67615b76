"""Rosters of the operator's module: contacts, errors and refused changes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support.handlers import MODULE, handlers

from component.core.errors import Failed, ItemNotFound, NotAllowed
from component.core.rosters.cache import RosterCache
from component.core.rosters.contacts import Change
from component.handlers.rosters import HandlerRosters
from component.xmpp.connection.addresses import Addresses
from storage.rows import Contact

ANN = "ann@example.org"


def rosters(answer: object) -> HandlerRosters:
    """Return the rosters of a module that always returns this answer."""

    def retrieve_user_roster(username: str) -> object:
        assert username == "ann"
        if isinstance(answer, Exception):
            raise answer
        return answer

    ask = handlers(retrieve_user_roster).retrieve_user_roster
    assert ask is not None
    return HandlerRosters(MODULE, ask, Addresses())


@pytest.mark.parametrize(
    ("items", "contacts"),
    [
        ([], ()),
        ([{"username": "Bob"}], (Contact(jid="bob@example.org"),)),
        (
            [{"username": "bob", "subscription": "both", "nick": "B"}],
            (Contact(jid="bob@example.org", subscription="both", name="B"),),
        ),
        ([{"jid": "eve@Remote.example/x"}], (Contact(jid="eve@remote.example"),)),
        (
            [{"username": "x", "jid": "eve@remote.example", "nick": None}],
            (Contact(jid="eve@remote.example"),),
        ),
        (
            [{"username": "bob", "groups": ["a", "b"], "ask": "subscribe", "name": "?"}],
            (Contact(jid="bob@example.org", groups=("a", "b"), ask="subscribe"),),
        ),
        (
            [{"username": "bob", "subscription": "remove"}, {"username": "eve"}],
            (Contact(jid="eve@example.org"),),
        ),
    ],
)
async def test_items_of_the_answer_are_contacts(
    items: Sequence[object], contacts: tuple[Contact, ...]
) -> None:
    assert await rosters({"roster": items}).roster(ANN) == contacts


@pytest.mark.parametrize("answer", [None, False])
async def test_none_or_false_for_a_roster_is_item_not_found(answer: object) -> None:
    with pytest.raises(ItemNotFound):
        await rosters(answer).roster(ANN)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (True, 'expected {"roster": [...]}'),
        ([], 'expected {"roster": [...]}'),
        ("{}", 'expected {"roster": [...]}'),
        ({"roster": None}, 'expected {"roster": [...]}'),
        ({"roster": ["bob"]}, "item 1: not an object"),
        ({"roster": [{"nick": "B"}]}, "item 1: it has neither jid nor username"),
        ({"roster": [{"username": 7}]}, "item 1: username: expected a string"),
        ({"roster": [{"username": "b"}, {"username": "a b"}]}, "item 2: "),
        ({"roster": [{"username": "bob", "subscription": "all"}]}, "item 1: subscription: "),
        ({"roster": [{"username": "bob", "groups": "a"}]}, "item 1: groups: "),
        ({"roster": [{"username": "bob", "nick": "B\x0b"}]}, "item 1: nick or groups: "),
        ({"roster": [{"username": "bob", "groups": ["\ud800"]}]}, "item 1: nick or groups: "),
    ],
)
async def test_invalid_roster_fails_and_is_logged(
    answer: object, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Failed):
        await rosters(answer).roster(ANN)

    assert f"retrieve_user_roster did not return a roster: {reason}" in caplog.text


async def test_change_of_a_roster_is_not_allowed() -> None:
    unchanged = rosters({"roster": []})

    for refused in (
        unchanged.change(ANN, Change(jid="bob@example.org")),
        unchanged.remove(ANN, "bob@example.org"),
        unchanged.clear(ANN),
    ):
        with pytest.raises(NotAllowed, match=MODULE):
            await refused


@pytest.mark.parametrize(
    ("answer", "contacts"),
    [
        ({"roster": [{"username": "bob"}]}, {"bob@example.org"}),
        (None, set()),
        (ValueError(), None),
    ],
)
async def test_roster_cache_reads_none_if_the_module_fails(
    answer: object, contacts: set[str] | None
) -> None:
    assert await RosterCache(rosters(answer)).read(ANN) == contacts
