"""MongooseIM big_tests, mam_SUITE, prefs_cases: each test has the name of their case.

The effect of preferences on messages needs rosters: tests/integration/peers/test_prefs_matrix.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest
from support.mam_payloads import (
    GET_FORM,
    GET_PREFERENCES,
    Preferences,
    archive_query,
    fields_in,
    preferences_in,
    set_preferences,
)
from support.wire import BOB, BOB_PHONE, NS_MAM, Wire

ROMEO, MONTAGUE = "romeo@montague.example", "montague@montague.example"


def every_preference() -> Iterator[Preferences]:
    """Yield valid preferences with each default and each combination of disjoint lists."""
    lists = ((), (ROMEO,), (MONTAGUE,), (ROMEO, MONTAGUE))
    for default, always, never in product(("roster", "never", "always"), lists, lists):
        if not set(always) & set(never):
            yield Preferences(default=default, always=frozenset(always), never=frozenset(never))


def case_id(preferences: Preferences) -> str:
    """Return the id of a test case."""
    lists = ("+".join(sorted(jids)) or "none" for jids in (preferences.always, preferences.never))
    return "-".join((preferences.default, *lists))


async def stored_preferences(wire: Wire) -> Preferences:
    return preferences_in((await wire.delegated(GET_PREFERENCES, type="get")).iq)


async def test_prefs_set_request(wire: Wire) -> None:
    """The result of the set and the next query return the new preferences."""
    reply = await wire.delegated(set_preferences("roster", [ROMEO], [MONTAGUE]))
    preferences = Preferences(
        default="roster", always=frozenset({ROMEO}), never=frozenset({MONTAGUE})
    )

    assert (preferences_in(reply.iq), await stored_preferences(wire)) == (preferences, preferences)


async def test_prefs_set_cdata_request(wire: Wire) -> None:
    """MongooseIM issue 263: white space between JIDs is allowed."""
    spaced = set_preferences("roster", [ROMEO, MONTAGUE]).replace("</jid>", "</jid>\n  ")
    reply = await wire.delegated(spaced)
    preferences = Preferences(default="roster", always=frozenset({ROMEO, MONTAGUE}))

    assert (preferences_in(reply.iq), await stored_preferences(wire)) == (preferences, preferences)


async def test_query_get_request(wire: Wire) -> None:
    fields = fields_in((await wire.delegated(GET_FORM, type="get")).iq)

    assert fields["FORM_TYPE"].findtext("{jabber:x:data}value") == NS_MAM


@pytest.mark.parametrize("preferences", list(every_preference()), ids=case_id)
async def test_run_set_and_get_prefs_cases(wire: Wire, preferences: Preferences) -> None:
    request = set_preferences(preferences.default, preferences.always, preferences.never)
    reply = await wire.delegated(request)

    assert (preferences_in(reply.iq), await stored_preferences(wire)) == (preferences, preferences)


async def test_muc_prefs_set_request_not_an_owner(wire: Wire) -> None:
    """Their server lets owners of a room set its preferences; here nobody sets those of others."""
    reply = await wire.delegated(set_preferences("never"), asker=BOB_PHONE)
    wire.say("hello")

    assert reply.refusal == "forbidden"
    assert (await wire.delegated(archive_query({"with": BOB}))).bodies == ["hello"]
