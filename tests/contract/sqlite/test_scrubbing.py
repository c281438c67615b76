"""What was taken away is in no byte of the files of the store."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.builders import (
    ALICE,
    BOB,
    NOON,
    SECOND,
    carry_out,
    entry,
    everything,
    retract,
    retraction,
)

from storage.open import open_storage
from storage.rows import Cutoff, Filter, NewMessage, OfflineStanza, Phrase
from storage.sql.retention import scrub as scrub_state
from storage.sql.store import SqlStorage

MESSAGES = 3000

_SECRET = re.compile(rb"zq([ab])x(\d+)zq")


def secret(owner: str, n: int) -> str:
    return f"zq{owner[0]}x{n}zq"


def written(owner: str, n: int, chance: random.Random) -> NewMessage:
    """Return a message with a secret in its XML and its text, sometimes a long one."""
    rest = "word " * chance.choice((1, 5, 30, 2000 if chance.random() < 0.02 else 10))
    text = f"{secret(owner, n)} {rest}"
    return entry(
        n,
        owner=owner,
        at=NOON + n * SECOND,
        peer=f"p{n % 7}@example.org",
        xml=f"<m>{text}</m>",
        text=text,
        name_hashes=(n,),
    )


async def fill(storage: SqlStorage) -> None:
    """Write two archives at a time, so that their pages grow between each other's."""
    chance = random.Random(1)  # noqa: S311 - the same each time
    for first in range(0, MESSAGES, 20):
        numbers = range(first, first + 20)
        await storage.archive.append(
            [written(owner, n, chance) for n in numbers for owner in (ALICE, BOB)]
        )


def readable(folder: Path) -> set[str]:
    """Return every secret that is in any file of the store."""
    return {
        match[0].decode()
        for file in folder.iterdir()
        for match in _SECRET.finditer(file.read_bytes())
    }


def secrets(owner: str, numbers: Iterable[int]) -> set[str]:
    return {secret(owner, n) for n in numbers}


async def scrub(storage: SqlStorage) -> None:
    await storage.retention.scrub_index()
    await storage.retention.scrub_files()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:{tmp_path}/archive.db"


async def test_erased_archive_is_in_no_byte_after_a_scrub(tmp_path: Path, url: str) -> None:
    async with open_storage(url) as storage:
        await fill(storage)
        assert readable(tmp_path) == secrets(ALICE, range(3000)) | secrets(BOB, range(3000))
        while not (await storage.retention.erase(ALICE, limit=500)).done:
            pass
        await scrub(storage)

        assert readable(tmp_path) == secrets(BOB, range(MESSAGES))


async def test_retracted_messages_are_in_no_byte_after_a_scrub(tmp_path: Path, url: str) -> None:
    """Among others that come meanwhile: pages are then parted and joined again."""
    chance = random.Random(2)  # noqa: S311 - the same each time
    retracted = chance.sample(range(MESSAGES), 1500)
    async with open_storage(url) as storage:
        await fill(storage)
        for first in range(0, len(retracted), 10):
            new = range(MESSAGES + first, MESSAGES + first + 10)
            await storage.archive.append(
                [
                    *(written(BOB, n, chance) for n in new),
                    *(retraction(n) for n in retracted[first : first + 10]),
                ]
            )
            await carry_out(storage.archive, "")
        await scrub(storage)

        remaining = secrets(ALICE, set(range(MESSAGES)).difference(retracted))
        assert readable(tmp_path) == remaining | secrets(BOB, range(MESSAGES + len(retracted)))


async def test_deleted_and_blanked_messages_are_in_no_byte_after_a_scrub(
    tmp_path: Path, url: str
) -> None:
    async with open_storage(url) as storage:
        await fill(storage)
        await storage.retention.delete_oldest(ALICE, Cutoff(messages=2000), limit=MESSAGES)
        await storage.retention.blank_oldest(
            BOB, "p3@example.org", Cutoff(messages=0), limit=MESSAGES
        )
        await scrub(storage)

        of_bob = secrets(BOB, (n for n in range(MESSAGES) if n % 7 != 3))
        assert readable(tmp_path) == secrets(ALICE, range(1000, MESSAGES)) | of_bob


async def test_retracted_messages_are_in_no_byte_after_an_index_scrub(
    tmp_path: Path, url: str
) -> None:
    """Where rows were not moved from page to page before."""
    async with open_storage(url) as storage:
        await storage.archive.append(
            [
                entry(n, text=secret(ALICE, n), xml=secret(ALICE, n), name_hashes=(n,))
                for n in range(20)
            ]
        )
        for n in range(5, 10):
            await retract(storage.archive, n, "")
        await storage.retention.scrub_index()

        remaining = set(range(20)) - set(range(5, 10))
        assert readable(tmp_path) == secrets(ALICE, remaining)


async def test_only_a_file_scrub_shrinks_the_file(tmp_path: Path, url: str) -> None:
    file = tmp_path / "archive.db"
    async with open_storage(url) as storage:
        await fill(storage)
        await storage.retention.delete_oldest(ALICE, Cutoff(messages=0), limit=MESSAGES)
        await storage.retention.scrub_index()
        cleaned = file.stat().st_size
        await storage.retention.scrub_index()
        size_after_second_scrub = file.stat().st_size
        await storage.retention.scrub_files()

        assert size_after_second_scrub == cleaned
        assert file.stat().st_size < 0.8 * cleaned


async def test_archive_can_be_searched_and_written_after_a_scrub(url: str) -> None:
    async with open_storage(url) as storage:
        await fill(storage)
        while not (await storage.retention.erase(ALICE, limit=MESSAGES)).done:
            pass
        await scrub(storage)

        await storage.archive.append([entry("new", owner=BOB, text="word new")])

        filter = Filter(phrases=(Phrase(words=("word",)),))
        assert await storage.archive.count(BOB, filter) == MESSAGES + 1
        page = await everything(storage.archive, BOB)
        assert len(page.messages) == MESSAGES + 1


async def test_scrub_without_a_removal_changes_no_file(tmp_path: Path, url: str) -> None:
    async with open_storage(url) as storage:
        await storage.archive.append([entry(n, text="a") for n in range(10)])
        before = [file.read_bytes() for file in tmp_path.glob("archive.db*[bl]")]
        await scrub(storage)

        assert [file.read_bytes() for file in tmp_path.glob("archive.db*[bl]")] == before


async def test_scrub_after_the_erasure_of_an_unknown_owner_changes_no_file(
    tmp_path: Path, url: str
) -> None:
    async with open_storage(url) as storage:
        await storage.archive.append([entry(text="a")])
        before = [file.read_bytes() for file in tmp_path.glob("archive.db*[bl]")]
        assert (await storage.retention.erase(BOB, limit=10)).done
        await scrub(storage)

        assert [file.read_bytes() for file in tmp_path.glob("archive.db*[bl]")] == before


async def test_offline_stanzas_of_an_erased_user_are_in_no_byte_after_a_scrub(
    tmp_path: Path, url: str
) -> None:
    waiting = OfflineStanza(peer=BOB, stanza=f"<m>{secret(ALICE, 1)}</m>", at=NOON)
    async with open_storage(url) as storage:
        await storage.offline.add(ALICE, waiting)
        assert readable(tmp_path) == secrets(ALICE, [1])
        await storage.retention.erase(ALICE, limit=10)
        await scrub(storage)

        assert readable(tmp_path) == set()


async def test_removal_before_a_reopening_is_scrubbed_after_it(tmp_path: Path, url: str) -> None:
    async with open_storage(url) as storage:
        await fill(storage)
        await storage.retention.delete_oldest(ALICE, Cutoff(messages=0), limit=MESSAGES)
    async with open_storage(url) as storage:
        await scrub(storage)

        assert readable(tmp_path) == secrets(BOB, range(MESSAGES))


async def test_removal_during_a_scrub_is_left_to_the_next_scrub(url: str) -> None:
    async with open_storage(url) as storage:
        database = storage.database
        await storage.archive.append([entry(n, text="a") for n in range(2)])
        await storage.retention.delete_oldest(ALICE, Cutoff(messages=1), limit=1)
        async with database.read() as connection:
            latest = await scrub_state.latest_removal(connection)
        await storage.retention.delete_oldest(ALICE, Cutoff(messages=0), limit=1)
        assert latest is not None
        async with database.write() as connection:
            await scrub_state.note_scrubbed(connection, latest)

            assert await scrub_state.latest_removal(connection) is not None
