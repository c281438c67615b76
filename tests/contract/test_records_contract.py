"""The contract of preferences, rules, holds, the audit log and rooms, on every backend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from contract.conftest import Open
from support.builders import ALICE, BOB, HOST, NOON, OTHER_HOST, ROMEO, ROOM, entry, retraction

from storage.errors import Rejected, Unavailable
from storage.interface import Storage
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


def audit_entry(name: object = 1, **fields: Any) -> AuditEntry:
    """Return an audit log entry with its name as the detail."""
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


async def test_new_store_has_no_records(storage: Storage) -> None:
    assert await storage.preferences.get(ALICE) is None
    assert await storage.preferences.list(after="", limit=9) == ()
    assert await storage.rules.list() == ()
    assert await storage.holds.list() == ()
    assert await storage.audit_log.entries(limit=10) == ()


# Preferences


@pytest.mark.parametrize("default", ["always", "never", "roster"])
async def test_preferences_are_read_back_unchanged(storage: Storage, default: str) -> None:
    row = PreferencesRow(
        owner=ALICE, default=default, always=(ROMEO, f"{BOB}/a \"b\", 'c'"), never=("ü@h", "z@h")
    )
    await storage.preferences.set(row)

    assert await storage.preferences.get(ALICE) == row
    assert await storage.preferences.list(after="", limit=9) == (row,)


async def test_preferences_replace_only_those_of_the_same_owner(storage: Storage) -> None:
    await storage.preferences.set(PreferencesRow(owner=BOB, default="roster"))
    await storage.preferences.set(PreferencesRow(owner=ALICE, default="always", never=(ROMEO,)))
    await storage.preferences.set(PreferencesRow(owner=ALICE, default="never", always=(BOB,)))

    hers = PreferencesRow(owner=ALICE, default="never", always=(BOB,))
    his = PreferencesRow(owner=BOB, default="roster")
    assert await storage.preferences.get(ALICE) == hers
    assert await storage.preferences.get(BOB) == his
    assert await storage.preferences.list(after="", limit=1) == (hers,)
    assert await storage.preferences.list(after=ALICE, limit=9) == (his,)
    assert await storage.preferences.list(after=BOB, limit=9) == ()


# Confirmed bounds


async def test_confirmed_bounds_are_read_back_unchanged(storage: Storage) -> None:
    assert await storage.rules.confirmed() == ()
    default = HostRetention(host="", days=0, messages=0, bytes=0)
    hosts = (
        HostRetention(host=HOST, days=36500, messages=10**9, bytes=10**15),
        HostRetention(host=OTHER_HOST, days=1, messages=2, bytes=3),
    )
    await storage.rules.confirm([*hosts, default])

    assert set(await storage.rules.confirmed()) == {default, *hosts}


async def test_confirmed_bounds_replace_all_earlier_ones(storage: Storage) -> None:
    first = [HostRetention(host=host, days=7, messages=0, bytes=0) for host in ("", HOST)]
    then = [HostRetention(host=host, days=9, messages=1, bytes=0) for host in ("", OTHER_HOST)]
    await storage.rules.confirm(first)
    await storage.rules.confirm(then)
    await storage.rules.confirm(then)

    assert set(await storage.rules.confirmed()) == set(then)


# Rules


@pytest.mark.parametrize(
    "rule",
    [
        Rule(owner=ALICE),
        Rule(owner=ALICE, days=0, messages=0, bytes=0),
        Rule(owner=ALICE, peer=ROMEO, days=1, messages=2, bytes=3),
    ],
    ids=["default", "without bounds", "all bounds"],
)
async def test_rule_is_read_back_unchanged(storage: Storage, rule: Rule) -> None:
    await storage.rules.set(rule)

    assert await storage.rules.list() == (rule,)


async def test_rule_replaces_only_that_of_the_same_owner_and_peer(storage: Storage) -> None:
    other_rules = {Rule(owner=ALICE, peer=ROMEO, days=1), Rule(owner=BOB, days=2)}
    for rule in [*other_rules, Rule(owner=ALICE, days=3), Rule(owner=ALICE, messages=4)]:
        await storage.rules.set(rule)

    assert set(await storage.rules.list()) == other_rules | {Rule(owner=ALICE, messages=4)}


async def test_removal_of_a_rule_removes_no_other(storage: Storage) -> None:
    rules = [Rule(owner=ALICE), Rule(owner=ALICE, peer=ROMEO), Rule(owner=BOB, peer=ROMEO)]
    for rule in rules:
        await storage.rules.set(rule)

    await storage.rules.remove(ALICE)
    assert set(await storage.rules.list()) == set(rules[1:])

    await storage.rules.remove(ALICE, ROMEO)
    assert set(await storage.rules.list()) == set(rules[2:])


async def test_removal_of_an_unknown_rule_changes_nothing(storage: Storage) -> None:
    await storage.rules.remove(ALICE, ROMEO)

    assert await storage.rules.list() == ()


# Holds


async def test_hold_replaces_only_that_on_the_same_subject(storage: Storage) -> None:
    on_host = Hold(subject=HOST, reason="case 1", by="boss", at=NOON)
    later = replace(HOLD, reason="case 8", by="boss", at=NOON + 1)
    for hold in (on_host, HOLD, later):
        await storage.holds.set(hold)

    assert set(await storage.holds.list()) == {on_host, later}


async def test_removal_of_a_hold_removes_no_other(storage: Storage) -> None:
    on_host = replace(HOLD, subject=HOST)
    for hold in (HOLD, on_host):
        await storage.holds.set(hold)
    for subject in (ALICE, OTHER_HOST):
        await storage.holds.remove(subject)

    assert await storage.holds.list() == (on_host,)


# The audit log


async def test_audit_entry_is_read_back_unchanged(storage: Storage) -> None:
    written = audit_entry("7 messages, \"all\"; 'ü'\n", actor=ROMEO, action="export", at=NOON + 1)
    await storage.archive.append([written])

    [line] = await storage.audit_log.entries(limit=10)

    assert replace(line, number=0) == written


async def test_audit_log_is_read_newest_first_despite_times(storage: Storage) -> None:
    for n, at in enumerate([5, 3, 9]):
        await storage.archive.append([audit_entry(n, at=NOON + at)])

    lines = await storage.audit_log.entries(limit=10)

    assert details(lines) == ["2", "1", "0"]
    assert [line.number for line in lines] == sorted({line.number for line in lines}, reverse=True)


async def test_audit_log_is_read_page_by_page(storage: Storage) -> None:
    for n in range(5):
        await storage.archive.append([audit_entry(n)])

    pages = [await storage.audit_log.entries(limit=2)]
    while pages[-1]:
        pages.append(await storage.audit_log.entries(limit=2, before=pages[-1][-1].number))

    assert [details(page) for page in pages] == [["4", "3"], ["2", "1"], ["0"], []]


async def test_audit_log_is_read_by_subject(storage: Storage) -> None:
    for n in range(6):
        await storage.archive.append([audit_entry(n, subject=(ALICE, BOB, HOST)[n % 3])])

    of_bob = await storage.audit_log.entries(limit=10, subject=BOB)
    older = await storage.audit_log.entries(limit=10, subject=BOB, before=of_bob[0].number)

    assert details(of_bob) == ["4", "1"]
    assert details(older) == ["1"]
    assert await storage.audit_log.entries(limit=10, subject=ROMEO) == ()


async def test_audit_entry_with_an_invalid_time_is_rejected(storage: Storage) -> None:
    with pytest.raises(Rejected):
        await storage.archive.append([audit_entry(at=2**63)])

    assert await storage.audit_log.entries(limit=10) == ()


async def test_audit_entries_and_messages_are_written_in_one_transaction(storage: Storage) -> None:
    with pytest.raises(Rejected):
        await storage.archive.append([audit_entry(1), entry(1), audit_entry(at=2**63)])
    assert await storage.audit_log.entries(limit=10) == ()
    assert await storage.archive.count(ALICE, ANY) == 0

    await storage.archive.append(
        [audit_entry(1), entry(1), audit_entry(2), retraction(7), audit_entry(3)]
    )
    assert details(await storage.audit_log.entries(limit=10)) == ["3", "2", "1"]
    assert await storage.archive.count(ALICE, ANY) == 2


# Rooms and occupants


OTHER_ROOM = f"other@conference.{HOST}"


def occupant(affiliation: str, jid: str = ALICE, room: str = ROOM, heard_at: int = 0) -> Occupant:
    return Occupant(room=room, jid=jid, affiliation=affiliation, heard_at=heard_at)


async def affiliations(storage: Storage, room: str = ROOM) -> tuple[str | None, str | None]:
    """Return the affiliations of alice and bob in a room."""
    return await storage.rooms.affiliation(room, ALICE), await storage.rooms.affiliation(room, BOB)


async def test_last_affiliation_of_a_user_in_a_room_is_stored(storage: Storage) -> None:
    for affiliation in ("none", "outcast"):
        changed = (occupant(affiliation), occupant("owner", BOB))
        await storage.rooms.change(RoomChanges(room=ROOM, occupants=changed))
    admins = (occupant("admin", room=OTHER_ROOM),)
    await storage.rooms.change(RoomChanges(room=OTHER_ROOM, occupants=admins))

    assert await affiliations(storage) == ("outcast", "owner")
    assert await affiliations(storage, OTHER_ROOM) == ("admin", None)


@pytest.mark.parametrize("affiliation", ["member", "admin", "owner", "none", "outcast", None])
async def test_removal_from_a_room_changes_only_members(
    storage: Storage, affiliation: str | None
) -> None:
    if affiliation is not None:
        await storage.rooms.change(RoomChanges(room=ROOM, occupants=(occupant(affiliation),)))
    await storage.rooms.change(RoomChanges(room=ROOM, removed=(occupant("none"),)))

    was_member = affiliation in ("member", "admin", "owner")
    assert await affiliations(storage) == ("none" if was_member else affiliation, None)


async def test_persistence_and_creation_of_a_room_are_stored(
    storage: Storage,
) -> None:
    assert await storage.rooms.get(ROOM) == Room()
    await storage.rooms.change(RoomChanges(room=ROOM, created_at=5))
    for room in (ROOM, OTHER_ROOM):
        await storage.rooms.change(RoomChanges(room=room, is_persistent=True))
    assert await storage.rooms.get(ROOM) == Room(5, is_persistent=True)
    assert await storage.rooms.get(OTHER_ROOM) == Room(0, is_persistent=True)

    await storage.rooms.change(RoomChanges(room=OTHER_ROOM, is_persistent=False))
    await storage.rooms.change(RoomChanges(room=ROOM, created_at=9))
    assert await storage.rooms.get(ROOM) == Room(9)
    await storage.rooms.change(RoomChanges(room=ROOM, created_at=7, is_persistent=True))
    assert await storage.rooms.get(ROOM) == Room(9, is_persistent=True)
    assert await storage.rooms.get(OTHER_ROOM) == Room()


async def test_recreated_room_has_only_the_occupants_of_the_change(storage: Storage) -> None:
    before = (occupant("owner"), occupant("outcast", BOB, heard_at=9))
    await storage.rooms.change(RoomChanges(room=ROOM, occupants=before))
    admins = (occupant("admin", room=OTHER_ROOM),)
    await storage.rooms.change(RoomChanges(room=OTHER_ROOM, occupants=admins))
    await storage.rooms.change(RoomChanges(room=ROOM, created_at=7))
    assert await affiliations(storage) == (None, None)

    await storage.rooms.change(
        RoomChanges(room=ROOM, created_at=9, occupants=(occupant("owner", BOB),))
    )
    assert await affiliations(storage) == (None, "owner")
    assert await affiliations(storage, OTHER_ROOM) == ("admin", None)


async def test_possibly_recreated_room_keeps_bans_and_later_affiliations(
    storage: Storage,
) -> None:
    carol, dave = f"carol@{HOST}", f"dave@{HOST}"
    before = (
        occupant("owner", heard_at=4),
        occupant("outcast", BOB, heard_at=4),
        occupant("member", carol, heard_at=5),
        occupant("none", dave, heard_at=4),
    )
    await storage.rooms.change(RoomChanges(room=ROOM, occupants=before))
    await storage.rooms.change(RoomChanges(room=ROOM, created_at=5, keep_banned=True))

    assert await affiliations(storage) == (None, "outcast")
    assert await storage.rooms.affiliation(ROOM, carol) == "member"
    assert await storage.rooms.affiliation(ROOM, dave) is None


async def test_records_survive_reopening(reopen: Open) -> None:
    preferences = PreferencesRow(owner=ALICE, default="roster", always=(BOB,), never=(ROMEO,))
    rule = Rule(owner=ALICE, peer=ROMEO, days=30)
    async with reopen() as storage:
        await storage.preferences.set(preferences)
        await storage.rules.set(rule)
        await storage.holds.set(HOLD)
        changes = RoomChanges(room=ROOM, created_at=7, occupants=(occupant("member"),))
        await storage.rooms.change(changes)

    async with reopen() as storage:
        assert await storage.preferences.get(ALICE) == preferences
        assert await storage.rules.list() == (rule,)
        assert await storage.holds.list() == (HOLD,)
        assert await storage.rooms.get(ROOM) == Room(7)
        assert await affiliations(storage) == ("member", None)


async def test_audit_numbers_continue_after_reopening(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.archive.append([audit_entry(1)])
        [first] = await storage.audit_log.entries(limit=1)
    async with reopen() as storage:
        await storage.archive.append([audit_entry(2)])
        lines = await storage.audit_log.entries(limit=10)

    assert details(lines) == ["2", "1"]
    assert lines[1] == first
    assert lines[0].number > first.number


async def test_write_to_a_closed_store_is_unavailable(reopen: Open) -> None:
    async with reopen() as storage:
        holds = storage.holds
    with pytest.raises(Unavailable):
        await holds.set(HOLD)


async def test_old_calls_of_the_api_are_deleted_and_other_entries_stay(storage: Storage) -> None:
    actions = ["api status", "erase", "api mam_remove_archive", "api x refused", "apia", "api new"]
    for n, action in enumerate(actions):
        await storage.archive.append([audit_entry(n, action=action, at=NOON + n)])
    numbers = [line.number for line in reversed(await storage.audit_log.entries(limit=10))]

    first = await storage.audit_log.delete_oldest_calls(before=NOON + 5, after=0, limit=2)
    assert first == numbers[1]
    second = await storage.audit_log.delete_oldest_calls(before=NOON + 5, after=first, limit=3)
    assert second == numbers[4]
    last = await storage.audit_log.delete_oldest_calls(before=NOON + 5, after=second, limit=3)
    assert last is None

    left = await storage.audit_log.entries(limit=10)
    assert [line.action for line in left] == ["api new", "apia", "api mam_remove_archive", "erase"]


async def test_no_entry_is_deleted_before_its_time(storage: Storage) -> None:
    for n in range(3):
        await storage.archive.append([audit_entry(n, action="api status", at=NOON + n)])

    for before in (NOON, NOON - 1):
        assert await storage.audit_log.delete_oldest_calls(before=before, after=0, limit=9) is None

    assert len(await storage.audit_log.entries(limit=10)) == 3
