"""The Remote Data archive: reads and posts of messages, and its bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import pytest
from support.builders import everything
from support.databases import blocked
from support.http_services import HOST, open_services, stamp

from component.core.archiving.pressure import CAPACITY, WORK_BYTES
from component.core.archiving.writer import Writer
from component.core.errors import BadRequest, Conflict, Overloaded
from component.core.remote_data.archive import LAST, RemoteArchive, RemoteQuery
from component.core.remote_data.posts import Post, body_of, new_message_of
from component.core.xml.times import format_time, now
from component.web.server.settings import Services
from component.xmpp.connection.addresses import Addresses
from storage.rows import ArchivedMessage, Direction, NewMessage

ALICE = RemoteQuery(username="alice")
MAX_ITEMS = 3


def entry(second: int) -> NewMessage:
    post = Post(
        username="alice",
        peer="bob",
        timestamp=stamp(second),
        body=str(second),
        direction=Direction.SENT,
    )
    return new_message_of(post, HOST, Addresses())


def bodies(messages: Iterable[ArchivedMessage]) -> list[str | None]:
    return [body_of(message.xml) for message in messages]


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with open_services() as opened:
        yield opened


@pytest.fixture
def archive(services: Services) -> RemoteArchive:
    return RemoteArchive(
        services.storage.archive,
        services.writer,
        services.jids,
        queue=services.queue,
        max_items=MAX_ITEMS,
    )


async def test_read_sees_messages_received_before(
    services: Services, archive: RemoteArchive
) -> None:
    services.writer.put([entry(1)])
    assert (await archive.read(HOST, ALICE)).count == 1

    services.writer.put([entry(2)])
    assert await archive.count(HOST, ALICE) == 2


@pytest.mark.parametrize("limit", [None, 1000])
@pytest.mark.parametrize(("before", "expected"), [(None, "123"), (LAST, "345")])
async def test_page_is_limited_by_the_bound(
    services: Services,
    archive: RemoteArchive,
    limit: int | None,
    before: str | None,
    expected: str,
) -> None:
    services.writer.put([entry(second) for second in range(1, 6)])

    answer = await archive.read(HOST, RemoteQuery(username="alice", before=before, limit=limit))

    assert "".join(filter(None, bodies(answer.messages))) == expected
    assert (answer.count, answer.complete) == (5, False)


async def test_store_on_a_full_queue_is_overloaded(
    services: Services, archive: RemoteArchive
) -> None:
    async with blocked(services.storage):
        services.writer.put([entry(1)] * (CAPACITY // WORK_BYTES))

        with pytest.raises(Overloaded):
            await archive.store(
                HOST,
                Post(
                    username="alice",
                    peer="bob",
                    timestamp=stamp(1),
                    body="x",
                    direction=Direction.SENT,
                ),
            )


async def test_read_waits_for_messages_on_their_way_to_the_writer(services: Services) -> None:
    requested, released = asyncio.Event(), asyncio.Event()

    class HeldWriter(Writer):
        """The writer behind a queue that holds messages back until they are released."""

        async def wait_readable(self, owner: str) -> None:
            requested.set()
            await released.wait()
            await services.writer.wait_readable(owner)

    queue = HeldWriter(services.storage.archive)
    archive = RemoteArchive(
        services.storage.archive, services.writer, services.jids, queue=queue, max_items=MAX_ITEMS
    )
    read_task = asyncio.create_task(archive.read(HOST, ALICE))
    await requested.wait()
    services.writer.put([entry(1)])
    released.set()

    assert (await read_task).count == 1


@pytest.mark.parametrize("peer", [None, "bob", "bob@example.org"])
@pytest.mark.parametrize("after", [None, stamp(1)])
async def test_blanked_message_is_neither_read_nor_counted(
    services: Services, archive: RemoteArchive, peer: str | None, after: str | None
) -> None:
    await services.writer.store([entry(second) for second in range(5)])
    owner = entry(0).owner
    stored = (await everything(services.storage.archive, owner)).messages
    for place in (0, 3):
        await services.storage.retention.blank(owner, stored[place].id)

    query = RemoteQuery(username="alice", peer=peer, after=after)
    answer = await archive.read(HOST, query)

    expected = ["1", "2", "4"] if after is None else ["2", "4"]
    assert bodies(answer.messages) == expected
    assert (answer.count, answer.complete) == (len(expected), True)
    assert await archive.count(HOST, query) == len(expected)


def posted(second: int) -> Post:
    return Post(
        username="alice",
        peer="bob",
        timestamp=stamp(second),
        body=str(second),
        direction=Direction.SENT,
    )


async def test_message_older_than_the_newest_is_a_conflict(archive: RemoteArchive) -> None:
    for second in (1, 1000):
        await archive.store(HOST, posted(second))

    with pytest.raises(Conflict, match="post history first"):
        await archive.store(HOST, posted(2))

    assert bodies((await archive.read(HOST, ALICE)).messages) == ["1", "1000"]


async def test_repeated_old_message_is_accepted(archive: RemoteArchive) -> None:
    for second in (1, 1000, 1):
        await archive.store(HOST, posted(second))

    assert await archive.count(HOST, ALICE) == 2


async def test_message_from_the_future_is_a_bad_request(archive: RemoteArchive) -> None:
    hour = 60 * 60 * 1_000_000

    with pytest.raises(BadRequest, match=r"^timestamp: .* is in the future"):
        await archive.store(HOST, replace(posted(1), timestamp=format_time(now() + hour)))

    assert await archive.count(HOST, ALICE) == 0


async def test_message_a_minute_in_the_future_is_accepted(archive: RemoteArchive) -> None:
    minute = 60 * 1_000_000
    for ahead in (minute, 0):
        at = format_time(now() + ahead)
        await archive.store(HOST, replace(posted(1), timestamp=at, body=at))

    assert await archive.count(HOST, ALICE) == 2


async def test_messages_posted_over_several_connections_are_stored(archive: RemoteArchive) -> None:
    for second in (290, 1):
        await archive.store(HOST, posted(second))

    assert await archive.count(HOST, ALICE) == 2


async def test_pages_by_index_cut_by_bytes_miss_no_message(services: Services) -> None:
    await services.writer.store([entry(second) for second in range(9)])
    archive = RemoteArchive(
        services.storage.archive,
        services.writer,
        services.jids,
        queue=services.queue,
        max_items=MAX_ITEMS,
        max_bytes=2 * len(entry(0).xml),
    )
    texts: list[str] = []
    while True:
        answer = await archive.read(HOST, RemoteQuery(username="alice", page=len(texts), limit=4))
        texts += [message.xml for message in answer.messages]
        assert answer.count == 9
        assert 1 <= len(answer.messages) <= 2
        if answer.complete:
            break

    assert texts == [entry(second).xml for second in range(9)]
