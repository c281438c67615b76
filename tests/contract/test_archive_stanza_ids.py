"""Messages whose public id is one that others know already, held by every backend."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from contract.conftest import Open
from support.builders import (
    ALICE,
    BOB,
    carry_out,
    correction,
    delete_all_but,
    entries,
    entry,
    everything,
    retraction,
    texts,
)

from storage.errors import NotFound
from storage.interface import Archive, Storage
from storage.rows import ANY, Cutoff, Filter, Kind, NewMessage

IDS = ("1795954099461047", "1795954099461803", "1795954099461804")


def named(ids: Sequence[str] = IDS, **fields: object) -> list[NewMessage]:
    """Return rows with these stanza ids, named 0, 1, 2..."""
    return [
        row._replace(stanza_id=id)
        for row, id in zip(entries(len(ids), **fields), ids, strict=True)
    ]


async def ids_of(archive: Archive, owner: str = ALICE) -> list[str]:
    return [stored.id for stored in (await everything(archive, owner)).messages]


async def test_stanza_id_is_the_public_id(archive: Archive) -> None:
    await archive.append(named())

    assert await ids_of(archive) == list(IDS)
    ends = await archive.first_and_last(ALICE)
    assert ends is not None
    assert (ends[0].id, ends[1].id) == (IDS[0], IDS[2])


async def test_message_without_stanza_id_has_an_id_of_the_store(archive: Archive) -> None:
    first, second = named(IDS[:2])
    await archive.append([first, second._replace(stanza_id="")])

    id, made = await ids_of(archive)
    assert id == IDS[0]
    assert made not in ("", IDS[1])


@pytest.mark.parametrize("backwards", [False, True])
async def test_page_is_bounded_by_stanza_ids(archive: Archive, backwards: bool) -> None:
    rows = named()
    await archive.append(rows)

    for counted in (False, True):
        page = await archive.page(
            ALICE,
            ANY,
            limit=10,
            after=IDS[0],
            before=IDS[2],
            backwards=backwards,
            counted=counted,
        )
        assert texts(page) == [rows[1].xml]
        assert (page.index, page.count) == ((1, 3) if counted else (None, None))


async def test_filter_takes_stanza_ids(archive: Archive) -> None:
    rows = named()
    await archive.append(rows)

    assert texts(await everything(archive, filter=Filter(ids=IDS[1:]))) == texts(rows[1:])
    assert texts(await everything(archive, filter=Filter(after=IDS[1]))) == texts(rows[2:])
    assert texts(await everything(archive, filter=Filter(before=IDS[1]))) == texts(rows[:1])


async def test_id_of_the_store_means_the_message_too(archive: Archive) -> None:
    rows = named()
    await archive.append(rows)
    position = (await everything(archive)).messages[1].position

    assert position not in IDS
    assert texts(await archive.page(ALICE, ANY, limit=10, after=position)) == texts(rows[2:])
    mixed = Filter(ids=(position, IDS[2]))
    assert texts(await everything(archive, filter=mixed)) == texts(rows[1:])


async def test_position_is_the_id_where_the_store_made_it(archive: Archive) -> None:
    await archive.append([entry()])

    [stored] = (await everything(archive)).messages
    assert stored.position == stored.id


async def test_stanza_id_of_another_archive_is_unknown(archive: Archive) -> None:
    await archive.append([*named(), entry(owner=BOB)])

    with pytest.raises(NotFound):
        await archive.page(BOB, ANY, limit=10, after=IDS[0])
    with pytest.raises(NotFound):
        await everything(archive, BOB, Filter(ids=IDS[:1]))


async def test_archives_may_have_the_same_stanza_ids(archive: Archive) -> None:
    await archive.append([*named(), *named(owner=BOB)])

    assert await ids_of(archive) == await ids_of(archive, BOB) == list(IDS)


@pytest.mark.parametrize("batches", [1, 2])
async def test_stanza_id_means_the_first_message_that_has_it(
    archive: Archive, batches: int
) -> None:
    rows = named([IDS[0], IDS[0], IDS[1]])
    for batch in [rows] if batches == 1 else [rows[:1], rows[1:]]:
        await archive.append(batch)

    first, second, third = await ids_of(archive)
    assert (first, third) == (IDS[0], IDS[1])
    assert second not in IDS
    assert texts(await everything(archive, filter=Filter(ids=(IDS[0],)))) == texts(rows[:1])
    assert texts(await everything(archive, filter=Filter(ids=(second,)))) == texts(rows[1:2])


async def test_repeated_copy_leaves_the_stanza_id_with_the_message(archive: Archive) -> None:
    rows = named()
    await archive.append(rows)
    await archive.append([*rows, entry("new")])

    assert (await ids_of(archive))[:3] == list(IDS)


async def test_id_of_the_store_cannot_be_given_to_another_message(archive: Archive) -> None:
    """A user who knows an id cannot have it refer to a later message."""
    first = entry(1)
    await archive.append([first])
    [seen] = await ids_of(archive)

    await archive.append([entry(2, stanza_id=seen), entry(3)])

    assert len(set(await ids_of(archive))) == 3
    assert texts(await archive.page(ALICE, ANY, limit=1, after=seen)) == [entry(2).xml]
    assert texts(await everything(archive, filter=Filter(ids=(seen,)))) == [first.xml]


async def test_stream_goes_on_behind_a_deleted_message(storage: Storage) -> None:
    rows = named()
    await storage.archive.append(rows)
    position = (await everything(storage.archive)).messages[1].position
    assert texts(await storage.archive.page_after(ALICE, IDS[1], limit=9)) == texts(rows[2:])

    await delete_all_but(storage, 1)

    assert texts(await storage.archive.page_after(ALICE, position, limit=9)) == texts(rows[2:])
    with pytest.raises(NotFound):
        await storage.archive.page_after(ALICE, IDS[1], limit=9)


async def test_blanked_message_keeps_its_stanza_id(storage: Storage) -> None:
    await storage.archive.append(named())

    await storage.retention.blank(ALICE, IDS[0])
    await storage.retention.blank_oldest(ALICE, BOB, Cutoff(messages=1), limit=1)

    assert await ids_of(storage.archive) == list(IDS)
    with pytest.raises(NotFound):
        await storage.retention.blank(ALICE, "no such id")


async def test_retraction_leaves_tombstones_with_stanza_ids(archive: Archive) -> None:
    await archive.append(
        [
            entry(1, name_hashes=(7,), stanza_id=IDS[0]),
            correction(2, 7, stanza_id=IDS[1]),
            retraction(7, stanza_id=IDS[2]),
        ]
    )

    await carry_out(archive)

    stored = (await everything(archive)).messages
    assert [(row.id, row.kind) for row in stored] == [
        (IDS[0], Kind.TOMBSTONE),
        (IDS[1], Kind.ANNOTATION),
        (IDS[2], Kind.ANNOTATION),
    ]
    assert stored[1].xml == stored[0].xml != ""
    assert await archive.unfinished_retractions() == ()


async def test_references_are_asked_for_by_stanza_ids(archive: Archive) -> None:
    rows = [entry(1, name_hashes=(7,), stanza_id=IDS[0]), entry(2, refers_to=(7,))]
    await archive.append(rows)

    references_by_id = await archive.references(ALICE, [IDS[0]], limit=9)

    assert {id: texts(references.messages) for id, references in references_by_id.items()} == {
        IDS[0]: texts(rows[1:])
    }


async def test_conversations_are_bounded_by_stanza_ids(archive: Archive) -> None:
    rows = named()
    await archive.append([rows[0], rows[1]._replace(peer="carol@example.org"), rows[2]])

    page = await archive.conversations(ALICE, limit=9, before=IDS[2], since=IDS[1])

    assert [conversation.peer for conversation in page.conversations] == ["carol@example.org"]


async def test_stanza_ids_outlast_a_restart(reopen: Open) -> None:
    async with reopen() as storage:
        await storage.archive.append(named())
    async with reopen() as storage:
        assert await ids_of(storage.archive) == list(IDS)
        await storage.archive.append([entry("again", stanza_id=IDS[0])])
        assert (await ids_of(storage.archive)).count(IDS[0]) == 1


async def test_erased_archive_gives_its_stanza_ids_free(storage: Storage) -> None:
    await storage.archive.append(named())
    await storage.retention.erase(ALICE, limit=100)

    await storage.archive.append(named())

    assert await ids_of(storage.archive) == list(IDS)
