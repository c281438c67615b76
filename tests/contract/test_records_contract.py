"""What `storage.interface.Records` promises, held by every backend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from contract.conftest import Open
from support.builders import ALICE, BOB, HOST, NOON, OTHER_HOST, ROMEO, ROOM, entry, retraction

from storage.errors import Rejected, Unavailable
from storage.interface import Records, Storage
from storage.rows import (
    ANY,
    AuditEntry,
    Hold,
    HostRetention,
    Occupant,
    PreferencesRow,
    Room,
    RoomChanges,
    Rule,
)


@pytest.fixture
def records(storage: Storage) -> Records:
    """The records of that store."""
    return storage.records


def audit_entry(name: object = 1, **fields: Any) -> AuditEntry:
    """Return a line for the audit log that says its name."""
    defaults: dict[str, Any] = {
        "at": NOON,
        "actor": "auditor",
        "action": "read",
        "subject": ALICE,
        "detail": str(name),
    }
    return AuditEntry(**(defaults | fields))


def details(audit_log: tuple[AuditEntry, ...]) -> list[str]:
    return [line.detail for line in audit_log]


HOLD = Hold(subject=ALICE, reason="case 7", by="auditor", at=NOON)


async def test_a_new_store_has_no_records(records: Records) -> None:
    assert await records.preferences(ALICE) is None
    assert await records.all_preferences(after="", limit=9) == ()
    assert await records.rules() == ()
    assert await records.holds() == ()
    assert await records.audit_entries(limit=10) == ()


# Preferences


@pytest.mark.parametrize("default", ["always", "never", "roster"])
async def test_preferences_are_given_back_as_they_were_set(records: Records, default: str) -> None:
    given = PreferencesRow(
        owner=ALICE, default=default, always=(ROMEO, f"{BOB}/a \"b\", 'c'"), never=("ü@h", "z@h")
    )
    await records.set_preferences(given)

    assert await records.preferences(ALICE) == given
    assert await records.all_preferences(after="", limit=9) == (given,)


async def test_preferences_replace_those_of_the_same_owner_only(records: Records) -> None:
    await records.set_preferences(PreferencesRow(owner=BOB, default="roster"))
    await records.set_preferences(PreferencesRow(owner=ALICE, default="always", never=(ROMEO,)))
    await records.set_preferences(PreferencesRow(owner=ALICE, default="never", always=(BOB,)))

    hers = PreferencesRow(owner=ALICE, default="never", always=(BOB,))
    his = PreferencesRow(owner=BOB, default="roster")
    assert await records.preferences(ALICE) == hers
    assert await records.preferences(BOB) == his
    assert await records.all_preferences(after="", limit=1) == (hers,)
    assert await records.all_preferences(after=ALICE, limit=9) == (his,)
    assert await records.all_preferences(after=BOB, limit=9) == ()


# Confirmed bounds


async def test_bounds_are_given_back_as_they_were_confirmed(records: Records) -> None:
    assert await records.confirmed_retention() == ()
    others = HostRetention(host="", days=0, messages=0, bytes=0)
    hosts = (
        HostRetention(host=HOST, days=36500, messages=10**9, bytes=10**15),
        HostRetention(host=OTHER_HOST, days=1, messages=2, bytes=3),
    )
    await records.confirm_retention([*hosts, others])

    assert set(await records.confirmed_retention()) == {others, *hosts}


async def test_bounds_take_the_place_of_all_that_were_confirmed_before(records: Records) -> None:
    first = [HostRetention(host=host, days=7, messages=0, bytes=0) for host in ("", HOST)]
    then = [HostRetention(host=host, days=9, messages=1, bytes=0) for host in ("", OTHER_HOST)]
    await records.confirm_retention(first)
    await records.confirm_retention(then)
    await records.confirm_retention(then)

    assert set(await records.confirmed_retention()) == set(then)


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

    await records.remove_rule(ALICE)
    assert set(await records.rules()) == set(rules[1:])

    await records.remove_rule(ALICE, ROMEO)
    assert set(await records.rules()) == set(rules[2:])


async def test_dropping_a_rule_that_is_not_there_is_fine(records: Records) -> None:
    await records.remove_rule(ALICE, ROMEO)

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
        await records.remove_hold(subject)

    assert await records.holds() == (on_host,)


# The audit log


async def test_a_line_of_the_log_is_given_back_as_it_was_written(storage: Storage) -> None:
    given = audit_entry("7 messages, \"all\"; 'ü'\n", actor=ROMEO, action="export", at=NOON + 1)
    await storage.archive.append([given])

    [line] = await storage.records.audit_entries(limit=10)

    assert replace(line, number=0) == given


async def test_the_log_is_read_newest_first_whatever_the_times_say(storage: Storage) -> None:
    for n, at in enumerate([5, 3, 9]):
        await storage.archive.append([audit_entry(n, at=NOON + at)])

    lines = await storage.records.audit_entries(limit=10)

    assert details(lines) == ["2", "1", "0"]
    assert [line.number for line in lines] == sorted({line.number for line in lines}, reverse=True)


async def test_the_log_is_read_page_by_page(storage: Storage) -> None:
    for n in range(5):
        await storage.archive.append([audit_entry(n)])

    pages = [await storage.records.audit_entries(limit=2)]
    while pages[-1]:
        pages.append(await storage.records.audit_entries(limit=2, before=pages[-1][-1].number))

    assert [details(page) for page in pages] == [["4", "3"], ["2", "1"], ["0"], []]


async def test_the_log_is_read_by_subject(storage: Storage) -> None:
    for n in range(6):
        await storage.archive.append([audit_entry(n, subject=(ALICE, BOB, HOST)[n % 3])])

    of_bob = await storage.records.audit_entries(limit=10, subject=BOB)
    older = await storage.records.audit_entries(limit=10, subject=BOB, before=of_bob[0].number)

    assert details(of_bob) == ["4", "1"]
    assert details(older) == ["1"]
    assert await storage.records.audit_entries(limit=10, subject=ROMEO) == ()


async def test_a_line_that_no_store_can_keep_is_rejected(storage: Storage) -> None:
    with pytest.raises(Rejected):
        await storage.archive.append([audit_entry(at=2**63)])

    assert await storage.records.audit_entries(limit=10) == ()


async def test_lines_of_the_log_are_written_in_one_step_with_messages(storage: Storage) -> None:
    with pytest.raises(Rejected):
        await storage.archive.append([audit_entry(1), entry(1), audit_entry(at=2**63)])
    assert await storage.records.audit_entries(limit=10) == ()
    assert await storage.archive.count(ALICE, ANY) == 0

    await storage.archive.append(
        [audit_entry(1), entry(1), audit_entry(2), retraction(7), audit_entry(3)]
    )
    assert details(await storage.records.audit_entries(limit=10)) == ["3", "2", "1"]
    assert await storage.archive.count(ALICE, ANY) == 2


# Rooms and occupants


OTHER_ROOM = f"other@conference.{HOST}"


def occupant(affiliation: str, jid: str = ALICE, room: str = ROOM, heard: int = 0) -> Occupant:
    return Occupant(room=room, jid=jid, affiliation=affiliation, heard_at=heard)


async def known(records: Records, room: str = ROOM) -> tuple[str | None, str | None]:
    """Return what alice and bob are in a room."""
    return await records.affiliation(room, ALICE), await records.affiliation(room, BOB)


async def test_a_user_is_known_by_the_last_affiliation_in_each_room(records: Records) -> None:
    for affiliation in ("none", "outcast"):
        changed = (occupant(affiliation), occupant("owner", BOB))
        await records.change_room(RoomChanges(room=ROOM, occupants=changed))
    others = (occupant("admin", room=OTHER_ROOM),)
    await records.change_room(RoomChanges(room=OTHER_ROOM, occupants=others))

    assert await known(records) == ("outcast", "owner")
    assert await known(records, OTHER_ROOM) == ("admin", None)


@pytest.mark.parametrize("affiliation", ["member", "admin", "owner", "none", "outcast", None])
async def test_who_is_removed_was_a_member(records: Records, affiliation: str | None) -> None:
    if affiliation is not None:
        await records.change_room(RoomChanges(room=ROOM, occupants=(occupant(affiliation),)))
    await records.change_room(RoomChanges(room=ROOM, removed=(occupant("none"),)))

    was_member = affiliation in ("member", "admin", "owner")
    assert await known(records) == ("none" if was_member else affiliation, None)


async def test_it_is_kept_which_rooms_are_persistent_and_when_they_were_made(
    records: Records,
) -> None:
    assert await records.room(ROOM) == Room()
    await records.change_room(RoomChanges(room=ROOM, created_at=5))
    for room in (ROOM, OTHER_ROOM):
        await records.change_room(RoomChanges(room=room, is_persistent=True))
    assert await records.room(ROOM) == Room(5, is_persistent=True)
    assert await records.room(OTHER_ROOM) == Room(0, is_persistent=True)

    await records.change_room(RoomChanges(room=OTHER_ROOM, is_persistent=False))
    await records.change_room(RoomChanges(room=ROOM, created_at=9))
    assert await records.room(ROOM) == Room(9)
    await records.change_room(RoomChanges(room=ROOM, created_at=7, is_persistent=True))
    assert await records.room(ROOM) == Room(9, is_persistent=True)
    assert await records.room(OTHER_ROOM) == Room()


async def test_a_room_made_anew_has_those_in_it_that_are_told_with_it(records: Records) -> None:
    before = (occupant("owner"), occupant("outcast", BOB, heard=9))
    await records.change_room(RoomChanges(room=ROOM, occupants=before))
    others = (occupant("admin", room=OTHER_ROOM),)
    await records.change_room(RoomChanges(room=OTHER_ROOM, occupants=others))
    await records.change_room(RoomChanges(room=ROOM, created_at=7))
    assert await known(records) == (None, None)

    await records.change_room(
        RoomChanges(room=ROOM, created_at=9, occupants=(occupant("owner", BOB),))
    )
    assert await known(records) == (None, "owner")
    assert await known(records, OTHER_ROOM) == ("admin", None)


async def test_a_room_that_may_be_another_one_keeps_whom_it_bans_and_what_was_heard_since(
    records: Records,
) -> None:
    carol, dave = f"carol@{HOST}", f"dave@{HOST}"
    before = (
        occupant("owner", heard=4),
        occupant("outcast", BOB, heard=4),
        occupant("member", carol, heard=5),
        occupant("none", dave, heard=4),
    )
    await records.change_room(RoomChanges(room=ROOM, occupants=before))
    await records.change_room(RoomChanges(room=ROOM, created_at=5, keep_banned=True))

    assert await known(records) == (None, "outcast")
    assert await records.affiliation(ROOM, carol) == "member"
    assert await records.affiliation(ROOM, dave) is None


async def test_records_last_over_a_reopening(reopen: Open) -> None:
    preferences = PreferencesRow(owner=ALICE, default="roster", always=(BOB,), never=(ROMEO,))
    rule = Rule(owner=ALICE, peer=ROMEO, days=30)
    async with reopen() as storage:
        await storage.records.set_preferences(preferences)
        await storage.records.set_rule(rule)
        await storage.records.set_hold(HOLD)
        changes = RoomChanges(room=ROOM, created_at=7, occupants=(occupant("member"),))
        await storage.records.change_room(changes)

    async with reopen() as storage:
        assert await storage.records.preferences(ALICE) == preferences
        assert await storage.records.rules() == (rule,)
        assert await storage.records.holds() == (HOLD,)
        assert await storage.records.room(ROOM) == Room(7)
        assert await known(storage.records) == ("member", None)


async def test_the_numbers_of_the_log_go_on_after_a_reopening(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.archive.append([audit_entry(1)])
        [first] = await storage.records.audit_entries(limit=1)
    async with reopen() as storage:
        await storage.archive.append([audit_entry(2)])
        lines = await storage.records.audit_entries(limit=10)

    assert details(lines) == ["2", "1"]
    assert lines[1] == first
    assert lines[0].number > first.number


async def test_a_closed_store_is_unavailable_to_records(reopen: Open) -> None:
    async with reopen() as storage:
        records = storage.records
    with pytest.raises(Unavailable):
        await records.set_hold(HOLD)
