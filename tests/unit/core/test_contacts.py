"""Changes of contacts, contacts that are shown, and versions of rosters."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.builders import BOB, ROMEO

from component.core.errors import BadRequest
from component.core.rosters.contacts import (
    GROUPS_MAX,
    LENGTH_MAX,
    Change,
    is_asked,
    is_shown,
    version_of,
)
from storage.rows import Contact

BOBBY = Contact(
    jid=BOB,
    name="Bobby",
    subscription="both",
    ask_message="hi",
    is_approved=True,
    groups=("Work",),
)


def test_change_without_a_value_keeps_the_old_one() -> None:
    assert Change(jid=BOB).applied(BOBBY) == BOBBY


def test_new_contact_is_subscribed_to_nothing() -> None:
    assert Change(jid=BOB, name="Bobby").applied(None) == Contact(jid=BOB, name="Bobby")


def test_change_to_an_empty_value_clears_it() -> None:
    changed = Change(jid=BOB, name="", ask_message="", groups=()).applied(BOBBY)

    assert changed == replace(BOBBY, name="", ask_message="", groups=())


def test_group_named_twice_is_kept_once() -> None:
    assert Change(jid=BOB, groups=("b", "a", "b")).applied(None).groups == ("b", "a")


@pytest.mark.parametrize("subscription", [None, "none", "to", "from", "both", "remove"])
def test_subscription_states_of_the_rfc_are_accepted(subscription: str | None) -> None:
    Change(jid=BOB, subscription=subscription).check()


REFUSED = {
    "unknown subscription": Change(jid=BOB, subscription="maybe"),
    "empty subscription": Change(jid=BOB, subscription=""),
    "group without name": Change(jid=BOB, groups=("Work", "")),
    "too many groups": Change(jid=BOB, groups=tuple(map(str, range(GROUPS_MAX + 1)))),
    "long name": Change(jid=BOB, name="x" * (LENGTH_MAX + 1)),
    "long group": Change(jid=BOB, groups=("x" * (LENGTH_MAX + 1),)),
    "long message": Change(jid=BOB, ask_message="x" * (LENGTH_MAX + 1)),
    "name that XML cannot hold": Change(jid=BOB, name="a\x00b"),
    "group that XML cannot hold": Change(jid=BOB, groups=("\ufffe",)),
    "half a character": Change(jid=BOB, name="\ud83d"),
}


@pytest.mark.parametrize("change", REFUSED.values(), ids=REFUSED.keys())
def test_invalid_change_is_refused(change: Change) -> None:
    with pytest.raises(BadRequest):
        change.check()


def test_change_at_the_limits_is_accepted() -> None:
    Change(
        jid=BOB, name="\t\n" + "é" * (LENGTH_MAX - 2), groups=tuple(map(str, range(GROUPS_MAX)))
    ).check()


@pytest.mark.parametrize(
    ("subscription", "ask", "shown", "asks"),
    [
        ("none", "", True, False),
        ("none", "subscribe", True, True),
        ("none", "in", False, False),
        ("none", "both", True, True),
        ("to", "in", True, False),
        ("from", "subscribe", True, True),
    ],
)
def test_contact_that_only_asks_is_not_shown(
    subscription: str, ask: str, shown: bool, asks: bool
) -> None:
    contact = Contact(jid=BOB, subscription=subscription, ask=ask)

    assert (is_shown(contact), is_asked(contact)) == (shown, asks)


def test_order_of_contacts_and_groups_does_not_change_the_version() -> None:
    romeo = Contact(jid=ROMEO, groups=("a", "b"))

    assert version_of([BOBBY, romeo]) == version_of([replace(romeo, groups=("b", "a")), BOBBY])


@pytest.mark.parametrize(
    "contact",
    [
        replace(BOBBY, name="Robert"),
        replace(BOBBY, subscription="to"),
        replace(BOBBY, ask="subscribe"),
        replace(BOBBY, is_approved=False),
        replace(BOBBY, groups=()),
        replace(BOBBY, groups=("Wor", "k")),
        replace(BOBBY, jid=ROMEO),
    ],
)
def test_each_shown_change_changes_the_version(contact: Contact) -> None:
    assert version_of([contact]) != version_of([BOBBY])


def test_hidden_change_does_not_change_the_version() -> None:
    assert version_of([replace(BOBBY, ask_message="", ask="in")]) == version_of([BOBBY])
