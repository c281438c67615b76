"""Reads of an occupant in the archive of a room that replaced another of the same name."""

from __future__ import annotations

import pytest
from support.builders import ALICE, HOST, NOON, ROOM, SECOND, entries, texts

from component.core.access.audit import Audit
from component.core.access.authorize import Authorizer
from component.core.access.principals import Operator, Role, User
from component.core.access.rooms import Rooms
from component.core.archiving.writer import Writer
from component.core.hosts import Hosts
from component.core.reading.follow import Followers
from component.core.reading.pages import PageQuery, Pager
from component.core.reading.reader import ArchiveReader
from storage.interface import Storage
from storage.rows import Filter

BY_OPERATOR = f"ops@{HOST}"
OPERATOR = Operator(name="ops", role=Role.READER, jid=BY_OPERATOR)


class OpenRooms:
    """Rooms that every user may enter."""

    async def features(self, room: str) -> frozenset[str] | None:
        return frozenset({"muc_open"})

    def forget(self, room: str) -> None:
        pass


@pytest.mark.parametrize("created", [0, 2, 4])
async def test_occupant_reads_no_message_older_than_the_room(
    storage: Storage, writer: Writer, created: int
) -> None:
    rooms = Rooms(Hosts([HOST], [f"conference.{HOST}"]), storage.rooms, OpenRooms())
    authorizer = Authorizer(Hosts([HOST]), [OPERATOR], Audit(storage.audit_log, writer), rooms)
    pager = Pager(storage.archive, writer, default_size=2, max_size=4)
    reader = ArchiveReader(authorizer, storage, writer, pager, Followers())
    rows = entries(4, owner=ROOM, type="groupchat")
    writer.put(rows)
    rooms.note_created(ROOM, NOON + created * SECOND)

    whole = await reader.page(User(BY_OPERATOR), ROOM, PageQuery(limit=4))
    page = await reader.page(User(ALICE), ROOM, PageQuery(limit=4, counted=True))
    assert (texts(whole), texts(page)) == (texts(rows), texts(rows[created:]))
    assert page.count == 4 - created
    for query in (
        PageQuery(filter=Filter(since=NOON, until=NOON + SECOND)),
        PageQuery(filter=Filter(ids=tuple(message.id for message in whole.messages))),
        PageQuery(before=whole.messages[2].id, backwards=True),
        PageQuery(index=0),
    ):
        page_texts = texts(await reader.page(User(ALICE), ROOM, query))
        assert set(page_texts) <= set(texts(rows[created:]))
    edges = await reader.bounds(User(ALICE), ROOM)
    assert (texts(edges) if edges else []) == (
        [rows[created].xml, rows[3].xml] if created < 4 else []
    )
