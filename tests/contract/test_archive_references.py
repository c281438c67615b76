"""Messages that refer to others, and what a retraction leaves of them, held by every backend."""

from __future__ import annotations

import pytest
from contract.conftest import Open
from support.builders import ALICE, BOB, entry, everything, removal, texts

from storage.errors import Rejected
from storage.interface import Archive
from storage.rows import ANY, RETRACTED_MAX, Filter, Kind, Page, Phrase, Retraction, Stored

NOBODY = "nobody@example.org"
LEFT = "<message><retracted/></message>"
MARKS = [0, 1, -1, 2**63 - 1, -(2**63)]
RAIN = Filter(phrases=(Phrase(words=("rain",)),))


def retraction(mark: int, owner: str = ALICE, left: str | None = LEFT) -> Retraction:
    return Retraction(owner=owner, mark=mark, tombstone=lambda _: left)


async def kinds(archive: Archive) -> list[Kind]:
    return [stored.kind for stored in (await everything(archive)).messages]


# What refers to a message


@pytest.mark.parametrize("mark", MARKS)
async def test_what_refers_to_a_mark_is_found(archive: Archive, mark: int) -> None:
    rows = [entry(n, about=about, names=(mark,)) for n, about in enumerate([None, *MARKS, mark])]
    await archive.append(rows)

    found = await archive.about(ALICE, [mark])

    assert texts(found) == texts([row for row in rows if row.about == mark])


async def test_what_refers_to_any_of_many_marks_comes_once_in_order(archive: Archive) -> None:
    rows = [entry(n, about=n % 7) for n in range(30)]
    await archive.append(rows)

    found = await archive.about(ALICE, [*range(2000, 4000), 5, 2, 5])

    assert texts(found) == texts([row for row in rows if row.about in (2, 5)])


async def test_nothing_refers_to_no_marks(archive: Archive) -> None:
    await archive.append([entry(1, about=1)])

    assert [await archive.about(ALICE, []), await archive.about(NOBODY, [1])] == [(), ()]


async def test_references_are_of_one_archive(archive: Archive) -> None:
    await archive.append([entry(1, about=5), entry(2, owner=BOB, about=5)])

    assert texts(await archive.about(BOB, [5])) == texts([entry(2)])


async def test_what_was_removed_refers_to_nothing(archive: Archive) -> None:
    await archive.append([entry(1, about=5), entry(2, about=5)])
    await archive.append([removal(entry(1)), entry(2, about=6)])

    assert texts(await archive.about(ALICE, [5, 6])) == texts([entry(2)])


# Retraction


async def test_a_retracted_message_is_a_tombstone_in_its_place(archive: Archive) -> None:
    await archive.append([entry(1, names=(7, 8), text="rain"), entry(2, names=(9,), text="rain")])
    before = (await everything(archive)).messages
    await archive.append([retraction(8)])

    after = (await everything(archive)).messages
    assert [stored.id for stored in after] == [stored.id for stored in before]
    assert (after[0].xml, after[0].kind) == (LEFT, Kind.TOMBSTONE)
    assert (after[0].at, after[0].peer) == (before[0].at, before[0].peer)
    assert after[1] == before[1]
    assert await archive.count(ALICE, ANY) == 2


async def test_a_retracted_message_is_found_by_no_word(archive: Archive) -> None:
    await archive.append([entry(1, names=(7,), text="rain"), entry(2, text="rain")])
    await archive.append([retraction(7)])

    assert texts(await everything(archive, wanted=RAIN)) == texts([entry(2)])


async def test_a_retraction_reaches_messages_of_its_own_batch(archive: Archive) -> None:
    await archive.append(
        [entry(1, names=(7,), text="rain"), retraction(7), entry(2, names=(7,), text="rain")]
    )

    assert await kinds(archive) == [Kind.TOMBSTONE, Kind.MESSAGE]
    assert texts(await everything(archive, wanted=RAIN)) == texts([entry(2)])


async def test_all_messages_of_a_name_are_retracted(archive: Archive) -> None:
    await archive.append([entry(n, names=(7, n)) for n in range(3)])
    await archive.append([retraction(7)])

    assert await kinds(archive) == [Kind.TOMBSTONE] * 3


async def test_a_retraction_looks_at_the_newest_of_a_name_only(archive: Archive) -> None:
    await archive.append([entry(n, names=(7,)) for n in range(RETRACTED_MAX + 2)])
    looked_at: list[Stored] = []

    def looking(message: Stored) -> None:
        looked_at.append(message)

    await archive.append([Retraction(owner=ALICE, mark=7, tombstone=looking)])

    newest = (await archive.page(ALICE, ANY, limit=RETRACTED_MAX, backwards=True)).messages
    assert {message.id for message in looked_at} == {message.id for message in newest}


async def test_what_tells_of_a_tombstone_sees_the_message(archive: Archive) -> None:
    seen: list[Stored] = []
    await archive.append([entry(1, names=(7,)), entry(2, names=(7,))])
    before = (await everything(archive)).messages

    def only_second(stored: Stored) -> str | None:
        seen.append(stored)
        return LEFT if stored.xml == entry(2).xml else None

    await archive.append([Retraction(owner=ALICE, mark=7, tombstone=only_second)])

    assert tuple(seen) == before
    assert await kinds(archive) == [Kind.MESSAGE, Kind.TOMBSTONE]


async def test_a_message_that_stays_keeps_its_words_and_references(archive: Archive) -> None:
    await archive.append([entry(1, names=(7,), about=3, text="rain")])
    await archive.append([retraction(7, left=None)])

    assert await everything(archive) == await everything(archive, wanted=RAIN)
    assert len(await archive.about(ALICE, [3])) == 1


@pytest.mark.parametrize("kind", [Kind.TOMBSTONE, Kind.GONE])
async def test_what_says_nothing_any_more_is_not_retracted(archive: Archive, kind: Kind) -> None:
    row = entry(1, names=(7,), kind=kind)
    await archive.append([row])
    await archive.append([retraction(7)])

    [stored] = (await everything(archive)).messages
    assert (stored.xml, stored.kind) == (row.xml, kind)


async def test_a_message_is_retracted_once(archive: Archive) -> None:
    await archive.append([entry(1, names=(7,))])
    await archive.append([retraction(7), retraction(7, left="again")])
    await archive.append([retraction(7, left="again")])

    assert texts(await everything(archive)) == [LEFT]


async def test_a_retraction_with_the_name_of_what_it_retracts_stays(archive: Archive) -> None:
    own = entry("own", names=(7,), about=7, kind=Kind.ANNOTATION)
    await archive.append([entry(1, names=(7,)), own, retraction(7)])

    assert texts(await everything(archive)) == [LEFT, own.xml]
    assert texts(await archive.about(ALICE, [7])) == [own.xml]


async def test_a_retraction_is_for_one_archive(archive: Archive) -> None:
    await archive.append([entry(1, names=(7,)), entry(1, names=(7,), owner=BOB)])
    await archive.append([retraction(7, owner=BOB), retraction(7, owner=NOBODY)])

    assert await kinds(archive) == [Kind.MESSAGE]
    assert texts(await everything(archive, BOB)) == [LEFT]


async def test_retracting_what_is_not_there_changes_nothing(archive: Archive) -> None:
    await archive.append([entry(1, names=(7,), about=8)])
    await archive.append([retraction(8), retraction(9), removal(entry("x"))])

    assert texts(await everything(archive)) == texts([entry(1)])


async def test_a_rejected_batch_undoes_its_retractions(archive: Archive) -> None:
    await archive.append([entry(1, names=(7,), text="rain")])
    with pytest.raises(Rejected):
        await archive.append([retraction(7), entry("bad", at=2**63)])

    assert texts(await everything(archive, wanted=RAIN)) == texts([entry(1)])


async def test_a_retracted_message_can_be_removed_and_meets_its_copies(archive: Archive) -> None:
    await archive.append([entry(1, names=(7,)), retraction(7), entry(1)])
    counted = await archive.count(ALICE, ANY)
    await archive.append([removal(entry(1))])

    assert (counted, await everything(archive)) == (1, Page())


async def test_names_are_known_after_reopening(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.archive.append([entry(1, names=(-7,)), entry(2, about=-7)])

    async with reopen() as storage:
        await storage.archive.append([retraction(-7)])

        assert texts(await everything(storage.archive)) == [LEFT, entry(2).xml]
        assert texts(await storage.archive.about(ALICE, [-7])) == texts([entry(2)])


async def test_the_bytes_of_an_archive_are_those_of_its_xml(reopen: Open) -> None:
    rows = [entry(n, xml="ü" * n, names=(n,)) for n in range(1, 6)]
    async with reopen() as storage:
        await storage.archive.append([*rows, rows[0], removal(rows[2]), retraction(2, left="é")])
        await storage.archive.append([removal(rows[0]), retraction(4, left="longer than before")])

        usage = await storage.keeping.usage_of(ALICE)

    assert (usage.messages, usage.bytes) == (3, 2 + 18 + 10)
