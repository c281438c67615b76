"""What `storage.interface.Records` promises, held by every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from contract.conftest import BACKENDS, Open
from support.builders import ALICE, BOB, HOST, NOON, OTHER_HOST, ROMEO, ROOM, entry, removal

from storage.errors import Rejected, Unavailable
from storage.interface import Records, Storage
from storage.open import open_storage
from storage.rows import ANY, Deed, Hold, Occupant, Preferences, Rule


@pytest.fixture(params=BACKENDS)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    """An empty store of each backend in turn."""
    async with open_storage(BACKENDS[request.param].url(tmp_path)) as opened:
        yield opened


@pytest.fixture
def records(storage: Storage) -> Records:
    """The records of that store."""
    return storage.records


def deed(name: object = 1, **fields: Any) -> Deed:
    """Return a line for the audit log that says its name."""
    defaults: dict[str, Any] = {
        "at": NOON,
        "actor": "auditor",
        "action": "read",
        "subject": ALICE,
        "detail": str(name),
    }
    return Deed(**(defaults | fields))


def details(deeds: tuple[Deed, ...]) -> list[str]:
    return [line.detail for line in deeds]


HOLD = Hold(subject=ALICE, reason="case 7", by="auditor", at=NOON)


async def test_a_new_store_has_no_records(records: Records) -> None:
    assert await records.preferences() == ()
    assert await records.rules() == ()
    assert await records.holds() == ()
    assert await records.deeds(limit=10) == ()
    assert await records.occupants() == ()


# Preferences


@pytest.mark.parametrize("default", ["always", "never", "roster"])
async def test_preferences_are_given_back_as_they_were_set(records: Records, default: str) -> None:
    given = Preferences(
        owner=ALICE, default=default, always=(ROMEO, f"{BOB}/a \"b\", 'c'"), never=("ü@h", "z@h")
    )
    await records.set_preferences(given)

    assert await records.preferences() == (given,)


async def test_preferences_replace_those_of_the_same_owner_only(records: Records) -> None:
    await records.set_preferences(Preferences(owner=BOB, default="roster"))
    await records.set_preferences(Preferences(owner=ALICE, default="always", never=(ROMEO,)))
    await records.set_preferences(Preferences(owner=ALICE, default="never", always=(BOB,)))

    assert set(await records.preferences()) == {
        Preferences(owner=ALICE, default="never", always=(BOB,)),
        Preferences(owner=BOB, default="roster"),
    }


# Rules


@pytest.mark.parametrize(
    "rule",
    [
        Rule(owner=ALICE),
        Rule(owner=ALICE, days=0, messages=0, bytes=0),
        Rule(owner=ALICE, peer=ROMEO, days=1, messages=2, bytes=3),
    ],
    ids=["as is usual", "without bounds", "all bounds"],
)
async def test_a_rule_is_given_back_as_it_was_set(records: Records, rule: Rule) -> None:
    await records.set_rule(rule)

    assert await records.rules() == (rule,)


async def test_a_rule_replaces_the_one_for_the_same_owner_and_peer_only(records: Records) -> None:
    others = {Rule(owner=ALICE, peer=ROMEO, days=1), Rule(owner=BOB, days=2)}
    for rule in [*others, Rule(owner=ALICE, days=3), Rule(owner=ALICE, messages=4)]:
        await records.set_rule(rule)

    assert set(await records.rules()) == others | {Rule(owner=ALICE, messages=4)}


async def test_a_dropped_rule_is_gone_and_no_other(records: Records) -> None:
    rules = [Rule(owner=ALICE), Rule(owner=ALICE, peer=ROMEO), Rule(owner=BOB, peer=ROMEO)]
    for rule in rules:
        await records.set_rule(rule)

    await records.drop_rule(ALICE)
    assert set(await records.rules()) == set(rules[1:])

    await records.drop_rule(ALICE, ROMEO)
    assert set(await records.rules()) == set(rules[2:])


async def test_dropping_a_rule_that_is_not_there_is_fine(records: Records) -> None:
    await records.drop_rule(ALICE, ROMEO)

    assert await records.rules() == ()


# Holds


async def test_a_hold_replaces_the_one_on_the_same_subject_only(records: Records) -> None:
    on_host = Hold(subject=HOST, reason="case 1", by="boss", at=NOON)
    later = replace(HOLD, reason="case 8", by="boss", at=NOON + 1)
    for hold in (on_host, HOLD, later):
        await records.set_hold(hold)

    assert set(await records.holds()) == {on_host, later}


async def test_a_dropped_hold_is_gone_and_no_other(records: Records) -> None:
    on_host = replace(HOLD, subject=HOST)
    for hold in (HOLD, on_host):
        await records.set_hold(hold)
    for subject in (ALICE, OTHER_HOST):
        await records.drop_hold(subject)

    assert await records.holds() == (on_host,)


# The audit log


async def test_a_line_of_the_log_is_given_back_as_it_was_written(storage: Storage) -> None:
    given = deed("7 messages, \"all\"; 'ü'\n", actor=ROMEO, action="export", at=NOON + 1)
    await storage.archive.append([given])

    [line] = await storage.records.deeds(limit=10)

    assert replace(line, number=0) == given


async def test_the_log_is_read_newest_first_whatever_the_times_say(storage: Storage) -> None:
    for n, at in enumerate([5, 3, 9]):
        await storage.archive.append([deed(n, at=NOON + at)])

    lines = await storage.records.deeds(limit=10)

    assert details(lines) == ["2", "1", "0"]
    assert [line.number for line in lines] == sorted({line.number for line in lines}, reverse=True)


async def test_the_log_is_read_page_by_page(storage: Storage) -> None:
    for n in range(5):
        await storage.archive.append([deed(n)])

    pages = [await storage.records.deeds(limit=2)]
    while pages[-1]:
        pages.append(await storage.records.deeds(limit=2, before=pages[-1][-1].number))

    assert [details(page) for page in pages] == [["4", "3"], ["2", "1"], ["0"], []]


async def test_the_log_is_read_by_subject(storage: Storage) -> None:
    for n in range(6):
        await storage.archive.append([deed(n, subject=(ALICE, BOB, HOST)[n % 3])])

    of_bob = await storage.records.deeds(limit=10, subject=BOB)
    older = await storage.records.deeds(limit=10, subject=BOB, before=of_bob[0].number)

    assert details(of_bob) == ["4", "1"]
    assert details(older) == ["1"]
    assert await storage.records.deeds(limit=10, subject=ROMEO) == ()


async def test_a_line_that_no_store_can_keep_is_rejected(storage: Storage) -> None:
    with pytest.raises(Rejected):
        await storage.archive.append([deed(at=2**63)])

    assert await storage.records.deeds(limit=10) == ()


async def test_lines_of_the_log_are_written_in_one_step_with_messages(storage: Storage) -> None:
    with pytest.raises(Rejected):
        await storage.archive.append([deed(1), entry(1), deed(at=2**63)])
    assert await storage.records.deeds(limit=10) == ()
    assert await storage.archive.count(ALICE, ANY) == 0

    await storage.archive.append(
        [deed(1), entry(1), deed(2), entry(2), removal(entry(1)), deed(3)]
    )
    assert details(await storage.records.deeds(limit=10)) == ["3", "2", "1"]
    assert await storage.archive.count(ALICE, ANY) == 1


# Rooms and occupants


async def test_an_occupant_is_known_by_the_last_affiliation_in_each_room(
    records: Records,
) -> None:
    known = [
        Occupant(room=ROOM, jid=BOB, affiliation="owner"),
        Occupant(room=f"other@conference.{HOST}", jid=ALICE, affiliation="admin"),
    ]
    for affiliation in ("none", "outcast"):
        await records.set_occupant(Occupant(room=ROOM, jid=ALICE, affiliation=affiliation))
    for occupant in known:
        await records.set_occupant(occupant)

    assert set(await records.occupants()) == {
        *known,
        Occupant(room=ROOM, jid=ALICE, affiliation="outcast"),
    }


async def test_it_is_kept_which_rooms_are_persistent(records: Records) -> None:
    other = f"other@conference.{HOST}"
    await records.set_room(ROOM, 5)
    for room in (ROOM, other):
        await records.set_persistent(room, True)
    assert await records.persistent_rooms() == {ROOM, other}

    await records.set_persistent(other, False)
    await records.set_room(ROOM, 9)
    assert await records.persistent_rooms() == frozenset()
    assert await records.rooms() == {ROOM: 9}


async def test_a_room_made_anew_has_no_occupants(records: Records) -> None:
    other = Occupant(room=f"other@conference.{HOST}", jid=ALICE, affiliation="admin")
    for occupant in (Occupant(room=ROOM, jid=ALICE, affiliation="owner"), other):
        await records.set_occupant(occupant)
    for made in (7, 9):
        await records.set_room(ROOM, made)

    assert await records.occupants() == (other,)
    assert await records.rooms() == {ROOM: 9}


# Lasting


async def test_records_last_over_a_reopening(reopen: Open) -> None:
    preferences = Preferences(owner=ALICE, default="roster", always=(BOB,), never=(ROMEO,))
    rule = Rule(owner=ALICE, peer=ROMEO, days=30)
    occupant = Occupant(room=ROOM, jid=ALICE, affiliation="member")
    async with reopen() as storage:
        await storage.records.set_preferences(preferences)
        await storage.records.set_rule(rule)
        await storage.records.set_hold(HOLD)
        await storage.records.set_room(ROOM, 7)
        await storage.records.set_occupant(occupant)

    async with reopen() as storage:
        assert await storage.records.preferences() == (preferences,)
        assert await storage.records.rules() == (rule,)
        assert await storage.records.holds() == (HOLD,)
        assert await storage.records.rooms() == {ROOM: 7}
        assert await storage.records.occupants() == (occupant,)


async def test_the_numbers_of_the_log_go_on_after_a_reopening(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.archive.append([deed(1)])
        [first] = await storage.records.deeds(limit=1)
    async with reopen() as storage:
        await storage.archive.append([deed(2)])
        lines = await storage.records.deeds(limit=10)

    assert details(lines) == ["2", "1"]
    assert lines[1] == first
    assert lines[0].number > first.number


async def test_a_closed_store_is_unavailable_to_records(reopen: Open) -> None:
    async with reopen() as storage:
        records = storage.records
    with pytest.raises(Unavailable):
        await records.set_hold(HOLD)
