"""The contract of references between messages and of retractions, on every backend."""

from __future__ import annotations

import pytest
from contract.conftest import Open
from support.builders import (
    ALICE,
    BOB,
    NOON,
    TOMBSTONE,
    carry_out,
    correction,
    delete_all_but,
    entry,
    everything,
    retract,
    retraction,
    texts,
)

from storage.errors import NotFound, Rejected
from storage.interface import Archive, Storage
from storage.rows import (
    ANY,
    TOMBSTONES_MAX,
    ArchivedMessage,
    Cutoff,
    Filter,
    Kind,
    Page,
    Phrase,
    References,
    RetractionOutcome,
    RoomChanges,
    Tombstone,
    UnfinishedRetraction,
)
from storage.sql.messages.references import WALKED_FOR_TARGET

NOBODY = "nobody@example.org"
NAME_HASHES = [0, 1, -1, 2**63 - 1, -(2**63)]
#: Numbers of later messages: few, and so many that the store searches for the references.
LATER = [0, WALKED_FOR_TARGET]
RAIN = Filter(phrases=(Phrase(words=("rain",)),))


async def kinds(archive: Archive) -> list[Kind]:
    return [stored.kind for stored in (await everything(archive)).messages]


async def referring(archive: Archive, owner: str = ALICE, limit: int = 100) -> list[list[str]]:
    """Return the texts of the messages that refer to each message of an archive."""
    ids = [stored.id for stored in (await everything(archive, owner)).messages]
    references = await archive.references(owner, ids, limit=limit)
    return [texts(references.get(id, References()).messages) for id in ids]


# References


@pytest.mark.parametrize("mark", NAME_HASHES)
async def test_reference_is_found_by_the_name_hash(archive: Archive, mark: int) -> None:
    named = [entry(f"named {name_hash}", name_hashes=(name_hash,)) for name_hash in NAME_HASHES]
    await archive.append([*named, entry("about", refers_to=(mark,))])

    texts_by_message = await referring(archive)

    expected = [[entry("about").xml] if name_hash == mark else [] for name_hash in NAME_HASHES]
    assert texts_by_message == [*expected, []]


@pytest.mark.parametrize("batches", [1, 2, 3])
async def test_reference_means_the_last_earlier_message_of_the_name(
    archive: Archive, batches: int
) -> None:
    rows = [
        entry(1, name_hashes=(7,)),
        entry(2, refers_to=(7,)),
        entry(3, name_hashes=(8, 7)),
        entry(4, refers_to=(7,)),
        entry(5, refers_to=(7,)),
        entry(6, name_hashes=(7,)),
    ]
    size = len(rows) // batches
    for start in range(0, len(rows), size):
        await archive.append(rows[start : start + size])

    assert await referring(archive) == [texts(rows[1:2]), [], texts(rows[3:5]), [], [], []]


async def test_reference_with_several_names_means_the_last_message(archive: Archive) -> None:
    rows = [
        entry(1, name_hashes=(7,)),
        entry(2, name_hashes=(8,)),
        entry(3, refers_to=(7, 8)),
        entry(4, refers_to=(9, 7)),
    ]
    await archive.append(rows)

    assert await referring(archive) == [texts(rows[3:]), texts(rows[2:3]), [], []]


async def test_reference_to_a_correction_means_the_corrected_message(archive: Archive) -> None:
    rows = [
        entry(1, name_hashes=(7,)),
        correction(2, 7, name_hashes=(8,)),
        correction(3, 8, name_hashes=(7,)),
        entry(4, refers_to=(7,)),
    ]
    for row in rows:
        await archive.append([row])

    assert await referring(archive) == [texts(rows[1:]), [], [], []]


async def test_correction_of_an_unknown_message_is_a_message(archive: Archive) -> None:
    rows = [correction(1, 7, name_hashes=(8,)), correction(2, 8)]
    await archive.append(rows)

    assert await referring(archive) == [texts(rows[1:]), []]


@pytest.mark.parametrize("later", LATER)
async def test_references_are_the_newest_and_the_number_left_out(
    archive: Archive, later: int
) -> None:
    await archive.append([entry("original", name_hashes=(7,)), correction("corrected", 7)])
    await archive.append([entry(n, refers_to=(7,)) for n in range(20)])
    await archive.append([entry(f"later {n}") for n in range(later)])
    [original, *_] = (await everything(archive)).messages

    references = (await archive.references(ALICE, [original.id], limit=3))[original.id]

    assert (len(references.messages), references.left_out) == (4, 17)
    newest = [correction("corrected", 7), *(entry(n) for n in (17, 18, 19))]
    assert texts(references.messages) == texts(newest)


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize(("room", "returned"), [(0, 1), (1, 1), (3, 3)])
async def test_references_are_bounded_in_bytes(
    archive: Archive, room: int, returned: int, later: int
) -> None:
    await archive.append([entry("original", name_hashes=(7,)), correction("corrected", 7)])
    notes = [entry(n, refers_to=(7,)) for n in range(10, 20)]
    await archive.append(notes)
    await archive.append([entry(f"later {n}") for n in range(later)])
    [original, *_] = (await everything(archive)).messages

    max_bytes = len(notes[0].xml) * room
    by_id = await archive.references(ALICE, [original.id], limit=100, max_bytes=max_bytes)
    references = by_id[original.id]

    expected = [correction("corrected", 7), *notes[-returned:]]
    assert texts(references.messages) == texts(expected)
    assert references.left_out == 10 - returned


async def test_message_without_references_is_left_out_and_unknown_id_is_not_found(
    archive: Archive,
) -> None:
    await archive.append([entry(1, refers_to=(1,))])
    [message] = (await everything(archive)).messages

    assert [await archive.references(ALICE, ids, limit=9) for ids in ([], [message.id])] == [
        {},
        {},
    ]
    with pytest.raises(NotFound):
        await archive.references(BOB, [message.id], limit=9)


async def test_references_do_not_cross_archives(archive: Archive) -> None:
    await archive.append([entry(1, name_hashes=(5,)), entry(2, owner=BOB, refers_to=(5,))])
    await archive.append(
        [entry(1, owner=BOB, name_hashes=(5,)), entry(3, owner=BOB, refers_to=(5,))]
    )

    assert (await referring(archive), await referring(archive, BOB)) == (
        [[]],
        [[], [entry(3).xml], []],
    )


async def test_reference_does_not_mean_a_deleted_message(
    storage: Storage, archive: Archive
) -> None:
    await archive.append([entry(1, name_hashes=(5,)), entry(2)])
    await delete_all_but(storage, 1)
    await archive.append(
        [entry(3, refers_to=(5,)), entry(4, name_hashes=(5,)), entry(5, refers_to=(5,))]
    )

    assert await referring(archive) == [[], [], [entry(5).xml], []]


# Retraction


async def test_retracted_message_becomes_a_tombstone_with_the_same_id(archive: Archive) -> None:
    await archive.append(
        [entry(1, name_hashes=(7, 8), text="rain"), entry(2, name_hashes=(9,), text="rain")]
    )
    before = (await everything(archive)).messages
    await retract(archive, 8)

    after = (await everything(archive)).messages
    assert [stored.id for stored in after[:2]] == [stored.id for stored in before]
    assert (after[0].xml, after[0].kind) == (TOMBSTONE, Kind.TOMBSTONE)
    assert (after[0].at, after[0].peer) == (before[0].at, before[0].peer)
    assert after[1] == before[1]
    assert await archive.count(ALICE, ANY) == 3


async def test_retracted_message_is_not_found_by_search(archive: Archive) -> None:
    await archive.append([entry(1, name_hashes=(7,), text="rain"), entry(2, text="rain")])
    await retract(archive, 7)

    assert texts(await everything(archive, filter=RAIN)) == texts([entry(2)])


async def test_retraction_applies_to_earlier_messages_of_its_batch(archive: Archive) -> None:
    later = entry(2, name_hashes=(7,), text="rain")
    await archive.append([entry(1, name_hashes=(7,), text="rain"), retraction(7), later])
    await carry_out(archive)

    assert await kinds(archive) == [Kind.TOMBSTONE, Kind.ANNOTATION, Kind.MESSAGE]
    assert texts(await everything(archive, filter=RAIN)) == texts([entry(2)])


async def test_only_the_last_message_of_a_name_is_retracted(archive: Archive) -> None:
    await archive.append([entry(n, name_hashes=(7, n)) for n in range(3)])
    await retract(archive, 7)

    assert await kinds(archive) == [*2 * [Kind.MESSAGE], Kind.TOMBSTONE, Kind.ANNOTATION]


async def test_second_retraction_does_not_reach_an_earlier_message_of_the_name(
    archive: Archive,
) -> None:
    await archive.append([entry(1, name_hashes=(7,)), entry(2, name_hashes=(7,))])
    await retract(archive, 7)
    await retract(archive, 7, name="the same again")

    assert (await kinds(archive))[:2] == [Kind.MESSAGE, Kind.TOMBSTONE]


async def test_duplicate_retraction_retracts_no_later_message(archive: Archive) -> None:
    await archive.append([entry(1, name_hashes=(7,)), retraction(7)])
    await carry_out(archive)
    await archive.append([entry(2, name_hashes=(7,))])
    await retract(archive, 7)

    assert await kinds(archive) == [Kind.TOMBSTONE, Kind.ANNOTATION, Kind.MESSAGE]


@pytest.mark.parametrize("named", [7, 8, 9])
async def test_retraction_by_any_name_retracts_message_and_corrections(
    archive: Archive, named: int
) -> None:
    rows = [
        entry(1, name_hashes=(7,), text="rain"),
        correction(2, 7, name_hashes=(8,), text="rain"),
        entry(3, refers_to=(7,)),
        correction(4, 8, name_hashes=(9,), text="rain"),
    ]
    for row in rows:
        await archive.append([row])
    await retract(archive, named)

    assert texts(await everything(archive))[:4] == [TOMBSTONE, TOMBSTONE, rows[2].xml, TOMBSTONE]
    assert (await kinds(archive))[:2] == [Kind.TOMBSTONE, Kind.ANNOTATION]
    assert await everything(archive, filter=RAIN) == Page()


async def test_many_corrections_are_retracted_in_steps(reopen: Open) -> None:
    rows = [
        entry(0, name_hashes=(7,)),
        *(correction(n, 7, name_hashes=(n,)) for n in range(1, 2 * TOMBSTONES_MAX)),
    ]
    async with reopen() as storage:
        archive = storage.archive
        await archive.append(rows)
        assert await archive.unfinished_retractions() == ()
        await retract(archive, 9)

        xmls = texts(await everything(archive))
        assert xmls[0] == TOMBSTONE
        assert xmls[1:-1] == texts(rows[1:TOMBSTONES_MAX]) + TOMBSTONES_MAX * [TOMBSTONE]

    async with reopen() as storage:
        archive = storage.archive
        [unfinished] = await archive.unfinished_retractions()
        assert (unfinished.owner, unfinished.target) == (ALICE, None)
        assert unfinished.message.xml == xmls[-1]
        await carry_out(archive)

        assert texts(await everything(archive))[:-1] == len(rows) * [TOMBSTONE]
        assert await archive.unfinished_retractions() == ()


async def test_tombstones_of_one_step_are_bounded_over_all_retractions(archive: Archive) -> None:
    corrections = TOMBSTONES_MAX // 2
    await archive.append([entry(mark, name_hashes=(mark,)) for mark in range(3)])
    await archive.append([correction((m, n), m) for m in range(3) for n in range(corrections)])
    await archive.append([retraction(mark) for mark in range(3)])
    await carry_out(archive)

    assert (await kinds(archive))[:3] == 3 * [Kind.TOMBSTONE]
    assert texts(await everything(archive)).count(TOMBSTONE) == 3 + TOMBSTONES_MAX
    assert [item.message.xml for item in await archive.unfinished_retractions()] == [
        entry("back 2").xml
    ]


async def test_unfinished_retraction_is_returned_until_it_is_applied(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.archive.append([entry(1, name_hashes=(7,)), correction(2, 7), retraction(7)])

    async with reopen() as storage:
        archive = storage.archive
        target, corrected, message = (await everything(archive)).messages
        [offered] = await archive.unfinished_retractions()
        assert offered == UnfinishedRetraction(
            number=offered.number,
            owner=ALICE,
            message=message,
            target=target,
            corrections=(corrected,),
        )
        await carry_out(archive)

    async with reopen() as storage:
        assert texts(await everything(storage.archive))[:2] == 2 * [TOMBSTONE]
        assert await storage.archive.unfinished_retractions() == ()


async def test_unfinished_retractions_are_ordered_and_continue_after_a_number(
    archive: Archive,
) -> None:
    rows = [retraction(7, name=n, owner=(ALICE, BOB)[n % 2]) for n in range(5)]
    await archive.append([entry(9, name_hashes=(7,), owner=owner) for owner in (ALICE, BOB)])
    await archive.append(rows[:3])
    await archive.append(rows[3:])

    offered = await archive.unfinished_retractions()
    behind = await archive.unfinished_retractions(after=offered[1].number)

    assert sorted(item.message.xml for item in offered) == sorted(texts(rows))
    assert [retraction.number for retraction in offered] == sorted(
        retraction.number for retraction in offered
    )
    assert behind == offered[2:]


async def test_correction_after_a_retraction_is_not_retracted(archive: Archive) -> None:
    await archive.append([entry(1, name_hashes=(7,)), retraction(7), correction(2, 7)])

    [offered] = await archive.unfinished_retractions()

    assert (offered.corrections, offered.is_last) == ((), True)


async def test_message_blanked_or_deleted_meanwhile_gets_no_tombstone(
    storage: Storage,
) -> None:
    archive = storage.archive
    await archive.append([entry(1, name_hashes=(7,)), entry(2, name_hashes=(8,))])
    await archive.append([retraction(7), retraction(8)])
    first, second = await archive.unfinished_retractions()
    assert first.target
    assert second.target
    await storage.retention.blank(ALICE, second.target.id)
    await delete_all_but(storage, 3)

    await archive.apply_retractions(
        [
            RetractionOutcome(
                number=offered.number,
                tombstones=(Tombstone(id=target.id, xml=TOMBSTONE, kind=Kind.TOMBSTONE),),
            )
            for offered, target in ((first, first.target), (second, second.target))
        ]
    )

    assert (await kinds(archive))[0] is Kind.BLANKED
    assert TOMBSTONE not in texts(await everything(archive))
    assert await archive.unfinished_retractions() == ()


async def test_outcome_of_an_erased_retraction_is_ignored(storage: Storage) -> None:
    archive = storage.archive
    await archive.append([entry(1, name_hashes=(7,)), retraction(7)])
    [offered] = await archive.unfinished_retractions()
    await storage.retention.erase(ALICE, limit=10)
    await archive.append([entry(1, name_hashes=(7,)), retraction(7)])
    [new] = await archive.unfinished_retractions()
    assert offered.target
    assert new.target
    tombstones = (Tombstone(id=new.target.id, xml=TOMBSTONE, kind=Kind.TOMBSTONE),)

    await archive.apply_retractions(
        [RetractionOutcome(number=offered.number, tombstones=tombstones)]
    )

    assert await archive.unfinished_retractions() == (new,)
    assert (await everything(archive)).messages[0] == new.target


async def test_erasure_removes_unfinished_retractions(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.archive.append([entry(0, name_hashes=(7,))])
        await storage.archive.append([correction(n, 7) for n in range(TOMBSTONES_MAX + 1)])
        await retract(storage.archive, 7)
        await storage.retention.erase(ALICE, limit=10_000)
        await storage.archive.append([entry(1), entry(2)])

        assert await storage.archive.unfinished_retractions() == ()


async def test_blanked_retraction_is_no_longer_unfinished(reopen: Open) -> None:
    async with reopen() as storage:
        archive, retention = storage.archive, storage.retention
        for mark in (7, 8):
            await archive.append([entry(mark, name_hashes=(mark,))])
            await archive.append([correction((mark, n), mark) for n in range(TOMBSTONES_MAX + 1)])
        await archive.append([retraction(mark) for mark in (7, 8)])
        await carry_out(archive)
        first, second = [
            retraction.message for retraction in await archive.unfinished_retractions()
        ]
        await retention.blank(ALICE, first.id)
        assert [item.message for item in await archive.unfinished_retractions()] == [second]
        await retention.blank_oldest(ALICE, second.peer, Cutoff(messages=0), limit=10_000)

        assert await archive.unfinished_retractions() == ()


async def test_tombstones_are_made_from_the_message_and_its_corrections(archive: Archive) -> None:
    arguments: list[ArchivedMessage] = []
    await archive.append([entry(1, name_hashes=(7,)), correction(2, 7), correction(3, 7)])
    before = (await everything(archive)).messages

    def only_last(stored: ArchivedMessage) -> str | None:
        arguments.append(stored)
        return None if stored.xml == entry(2).xml else TOMBSTONE

    await retract(archive, 7, only_last)

    assert list(dict.fromkeys(arguments)) == [before[0], before[2], before[1]]
    assert texts(await everything(archive))[:3] == [TOMBSTONE, before[1].xml, TOMBSTONE]
    assert await archive.unfinished_retractions() == ()


async def test_message_without_tombstone_keeps_its_words_and_corrections(archive: Archive) -> None:
    rows = [entry(1, name_hashes=(7,), text="rain"), correction(2, 7, text="rain")]
    await archive.append(rows)
    await retract(archive, 7, lambda _: None)

    assert texts(await everything(archive, filter=RAIN)) == texts(rows)
    assert (await referring(archive))[0] == [rows[1].xml, entry("back 7").xml]


@pytest.mark.parametrize("kind", [Kind.TOMBSTONE, Kind.BLANKED])
async def test_tombstone_or_blanked_message_is_not_retracted(archive: Archive, kind: Kind) -> None:
    row = entry(1, name_hashes=(7,), kind=kind)
    await archive.append([row])
    await retract(archive, 7)

    stored = (await everything(archive)).messages[0]
    assert (stored.xml, stored.kind) == (row.xml, kind)


async def test_message_is_retracted_once(archive: Archive) -> None:
    await archive.append([entry(1, name_hashes=(7,))])
    await archive.append([retraction(7), retraction(7, name="again")])
    await carry_out(archive)
    await retract(archive, 7, "again", name="and again")

    assert texts(await everything(archive))[0] == TOMBSTONE


async def test_retraction_does_not_cross_archives(archive: Archive) -> None:
    await archive.append([entry(1, name_hashes=(7,)), entry(1, name_hashes=(7,), owner=BOB)])
    await archive.append([retraction(7, owner=BOB), retraction(7, owner=NOBODY)])
    await carry_out(archive)

    assert await kinds(archive) == [Kind.MESSAGE]
    assert texts(await everything(archive, BOB))[0] == TOMBSTONE


async def test_retraction_of_an_unknown_message_changes_nothing(archive: Archive) -> None:
    await archive.append([entry(1, name_hashes=(7,), refers_to=(8,))])
    await archive.append([retraction(8)])

    assert await archive.unfinished_retractions() == ()
    assert texts(await everything(archive)) == texts([entry(1), entry("back 8")])


async def test_rejected_batch_leaves_no_retraction(archive: Archive) -> None:
    await archive.append([entry(1, name_hashes=(7,), text="rain")])
    with pytest.raises(Rejected):
        await archive.append([retraction(7), entry("bad", at=2**63)])

    assert await archive.unfinished_retractions() == ()
    assert texts(await everything(archive, filter=RAIN)) == texts([entry(1)])


async def test_retracted_message_is_deduplicated_and_can_be_deleted(
    storage: Storage, archive: Archive
) -> None:
    await archive.append([entry(1, name_hashes=(7,)), retraction(7), entry(1)])
    await carry_out(archive)
    counted = await archive.count(ALICE, ANY)
    await delete_all_but(storage, 1)

    assert (counted, await kinds(archive)) == (2, [Kind.ANNOTATION])


async def test_name_hashes_survive_reopening(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.archive.append([entry(1, name_hashes=(-7,)), entry(2, refers_to=(-7,))])

    async with reopen() as storage:
        await retract(storage.archive, -7)

        assert texts(await everything(storage.archive))[:2] == [TOMBSTONE, entry(2).xml]
        assert (await referring(storage.archive))[0] == [entry(2).xml, entry("back -7").xml]


async def test_bytes_of_an_archive_are_the_octets_of_its_xml(reopen: Open) -> None:
    rows = [entry(n, xml="ü" * n, name_hashes=(n,)) for n in range(1, 6)]
    async with reopen() as storage:
        await storage.archive.append([*rows, rows[0]])
        await retract(storage.archive, 2, "é", xml="")
        await retract(storage.archive, 4, "longer than before", xml="")
        await delete_all_but(storage, 6)

        usage = await storage.retention.usage_of(ALICE)

    assert (usage.messages, usage.bytes) == (6, 2 + 6 + 18 + 10)


# Names


async def test_last_message_with_a_name_is_found_by_it(archive: Archive) -> None:
    rows = [entry("first", name_hashes=(1,)), entry("second", name_hashes=(1, 2)), entry("other")]
    await archive.append([*rows, correction("changed", of=2, name_hashes=(3,))])

    named = await archive.named(ALICE, [1, 2, 3, 4])

    page = await archive.page(ALICE, ANY, limit=10)
    second = page.messages[1]
    assert named == {1: second, 2: second, 3: second}
    assert await archive.named(ALICE, []) == {}
    assert await archive.named(NOBODY, [1]) == {}


async def test_name_in_a_room_means_no_message_from_before_the_room(
    storage: Storage, archive: Archive
) -> None:
    room = "garden@rooms.example.org"
    await archive.append(
        [
            entry("old", owner=room, at=NOON, name_hashes=(1,)),
            entry("new", owner=room, at=NOON + 2, name_hashes=(2,)),
        ]
    )
    await storage.rooms.change(RoomChanges(room=room, created_at=NOON + 1))

    assert list(await archive.named(room, [1, 2])) == [2]
