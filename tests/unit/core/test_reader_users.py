"""Users read their own archive and archives of rooms through the reader of operators."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from support.builders import ALICE, BOB, HOST, NOON, ROOM, SECOND, entries, entry, texts
from support.http_services import open_services

from component.core.access.audit import Audit
from component.core.access.authorize import Authorizer
from component.core.access.principals import SERVER, User
from component.core.access.rooms import Rooms
from component.core.errors import Forbidden, ItemNotFound
from component.core.hosts import Hosts
from component.core.reading.conversations import ConversationQuery
from component.core.reading.export import Export
from component.core.reading.follow import FROM_START
from component.core.reading.pages import PageQuery, Pager
from component.core.reading.reader import ArchiveReader
from component.web.server.settings import Services
from storage.rows import ANY

MESSAGES = entries(4, owner=ROOM, type="groupchat")

#: When the present room was created: two of the messages are of its predecessor.
CREATED = NOON + 2 * SECOND


class OpenRooms:
    """Rooms that every user may enter."""

    async def features(self, room: str) -> frozenset[str] | None:
        return frozenset({"muc_open"})

    def forget(self, room: str) -> None:
        pass


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with open_services() as services:
        await services.writer.store([*entries(3), *MESSAGES])
        yield services


@pytest.fixture
def rooms(services: Services) -> Rooms:
    rooms = Rooms(Hosts([HOST], [f"conference.{HOST}"]), services.storage.rooms, OpenRooms())
    rooms.note_created(ROOM, CREATED)
    return rooms


@pytest.fixture
def reader(services: Services, rooms: Rooms) -> ArchiveReader:
    storage, queue = services.storage, services.queue
    audit = Audit(storage.audit_log, services.writer)
    pager = Pager(storage.archive, queue, default_size=50, max_size=250)
    authorizer = Authorizer(Hosts([HOST]), (), audit, rooms)
    return ArchiveReader(authorizer, storage, queue, pager, services.followers)


async def read_everything(reader: ArchiveReader, user: User, owner: str) -> None:
    """Read an archive in every way. Raises the errors of each read."""
    query = PageQuery()
    page = await reader.page(user, owner, query)
    await reader.readable_page(user, owner, query, folded=True)
    await reader.message(user, owner, page.messages[-1].id, folded=True)
    await reader.bounds(user, owner)
    await reader.summary(user, owner)
    await reader.conversations(user, owner, ConversationQuery())
    await reader.stream(user, owner, ANY, FROM_START)


async def test_user_reads_own_archive_in_every_way_unaudited(
    reader: ArchiveReader, services: Services
) -> None:
    await read_everything(reader, User(ALICE), ALICE)

    assert await services.storage.audit_log.entries(limit=10) == ()


async def test_every_read_of_another_archive_is_forbidden(
    reader: ArchiveReader, services: Services
) -> None:
    user, query = User(BOB), PageQuery()
    for read in (
        reader.page(user, ALICE, query),
        reader.readable_page(user, ALICE, query),
        reader.message(user, ALICE, "unknown", folded=False),
        reader.bounds(user, ALICE),
        reader.summary(user, ALICE),
        reader.conversations(user, ALICE, ConversationQuery()),
        reader.stream(user, ALICE, ANY, None),
    ):
        with pytest.raises(Forbidden):
            await read

    assert await services.storage.audit_log.entries(limit=10) == ()


async def test_every_read_of_the_server_is_audited(
    reader: ArchiveReader, services: Services
) -> None:
    await reader.conversations(SERVER, ALICE, ConversationQuery())
    await reader.stream(SERVER, ALICE, ANY, None)
    await reader.summary(SERVER, ALICE)

    audit_log = await services.storage.audit_log.entries(limit=10)
    assert [(entry.actor, entry.action, entry.subject) for entry in audit_log] == [
        ("server", "read", ALICE),
        ("server", "stream", ALICE),
        ("server", "conversations", ALICE),
    ]


async def test_summary_for_an_occupant_leaves_out_the_predecessor_of_the_room(
    reader: ArchiveReader,
) -> None:
    summary = await reader.summary(User(ALICE), ROOM)

    assert (summary.count, summary.bytes) == (2, None)
    assert summary.first
    assert summary.last
    assert texts((summary.first, summary.last)) == texts(MESSAGES[2:])


async def test_message_of_the_predecessor_is_item_not_found(
    reader: ArchiveReader,
) -> None:
    ids = [row.id for row in (await reader.page(SERVER, ROOM, PageQuery())).messages]

    with pytest.raises(ItemNotFound):
        await reader.message(User(ALICE), ROOM, ids[1], folded=False)
    assert (await reader.message(User(ALICE), ROOM, ids[2], folded=False)).message.stored.id


async def test_conversations_that_count_the_predecessor_are_forbidden(
    reader: ArchiveReader, services: Services
) -> None:
    with pytest.raises(Forbidden):
        await reader.conversations(User(ALICE), ROOM, ConversationQuery())

    assert (await reader.conversations(SERVER, ROOM, ConversationQuery())).conversations


async def test_stream_from_the_start_leaves_out_the_predecessor(reader: ArchiveReader) -> None:
    stream = await reader.stream(User(ALICE), ROOM, ANY, FROM_START)
    messages = stream.messages(pause=0.01)

    assert texts(await anext(messages)) == texts(MESSAGES[2:])
    await messages.aclose()


@pytest.mark.parametrize(("since", "count"), [(0, 4), (CREATED, 2)])
async def test_export_since_a_time_has_no_earlier_message(
    services: Services, since: int, count: int
) -> None:
    export = Export(services.storage, services.queue, services.followers)

    lines = b"".join([part async for part in export.json_lines(ROOM, since=since)])
    portable = b"".join([part async for part in export.portable(ROOM, since=since)])

    assert [json.loads(line)["xml"] for line in lines.splitlines()] == texts(MESSAGES[-count:])
    assert portable.count(b"<result ") == count


async def test_occupant_reads_a_room_without_predecessor_in_every_way(
    reader: ArchiveReader, services: Services, rooms: Rooms
) -> None:
    room = f"new@conference.{HOST}"
    rooms.note_created(room, NOON)
    await services.writer.store([entry(1, owner=room, at=NOON + SECOND, type="groupchat")])

    await read_everything(reader, User(ALICE), room)

    assert (await reader.summary(User(ALICE), room)).bytes
