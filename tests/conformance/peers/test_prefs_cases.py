"""MongooseIM big_tests, mam_SUITE, prefs_cases: each test has the name of theirs.

What preferences do to messages takes a roster: tests/integration/peers/test_prefs_matrix.py.
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
    """Yield one that is, for each mode, with each list once full and once empty."""
    lists = ((), (ROMEO,), (MONTAGUE,), (ROMEO, MONTAGUE))
    for default, always, never in product(("roster", "never", "always"), lists, lists):
        if not set(always) & set(never):
            yield Preferences(default=default, always=frozenset(always), never=frozenset(never))


def named(wanted: Preferences) -> str:
    lists = ("+".join(sorted(one)) or "none" for one in (wanted.always, wanted.never))
    return "-".join((wanted.default, *lists))


async def kept(wire: Wire) -> Preferences:
    return preferences_in((await wire.delegated(GET_PREFERENCES, type="get")).iq)


async def test_prefs_set_request(wire: Wire) -> None:
    """The answer tells what applies from now on, and so does the next question."""
    reply = await wire.delegated(set_preferences("roster", [ROMEO], [MONTAGUE]))
    wanted = Preferences(default="roster", always=frozenset({ROMEO}), never=frozenset({MONTAGUE}))

    assert (preferences_in(reply.iq), await kept(wire)) == (wanted, wanted)


async def test_prefs_set_cdata_request(wire: Wire) -> None:
    """MongooseIM issue 263: there may be white space between addresses."""
    spaced = set_preferences("roster", [ROMEO, MONTAGUE]).replace("</jid>", "</jid>\n  ")
    reply = await wire.delegated(spaced)
    wanted = Preferences(default="roster", always=frozenset({ROMEO, MONTAGUE}))

    assert (preferences_in(reply.iq), await kept(wire)) == (wanted, wanted)


async def test_query_get_request(wire: Wire) -> None:
    fields = fields_in((await wire.delegated(GET_FORM, type="get")).iq)

    assert fields["FORM_TYPE"].findtext("{jabber:x:data}value") == NS_MAM


@pytest.mark.parametrize("wanted", list(every_preference()), ids=named)
async def test_run_set_and_get_prefs_cases(wire: Wire, wanted: Preferences) -> None:
    asked = set_preferences(wanted.default, wanted.always, wanted.never)
    reply = await wire.delegated(asked)

    assert (preferences_in(reply.iq), await kept(wire)) == (wanted, wanted)


async def test_muc_prefs_set_request_not_an_owner(wire: Wire) -> None:
    """Theirs lets owners of a room say what it archives; here nobody does it for another."""
    reply = await wire.delegated(set_preferences("never"), asker=BOB_PHONE)
    wire.say("hello")

    assert reply.refusal == "forbidden"
    assert (await wire.delegated(archive_query({"with": BOB}))).bodies == ["hello"]
