"""What of a room is read by those who are in it, where another one had its name before."""

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
    """Rooms that anybody may enter."""

    async def features(self, room: str) -> frozenset[str] | None:
        return frozenset({"muc_open"})

    def forget(self, room: str) -> None:
        pass


@pytest.mark.parametrize("made", [0, 2, 4])
async def test_occupant_reads_nothing_from_before_the_room_was_created(
    storage: Storage, writer: Writer, made: int
) -> None:
    rooms = Rooms(Hosts([HOST], [f"conference.{HOST}"]), storage.rooms, OpenRooms())
    authorizer = Authorizer(Hosts([HOST]), [OPERATOR], Audit(storage.audit_log, writer), rooms)
    pager = Pager(storage.archive, writer, default_size=2, max_size=4)
    reader = ArchiveReader(authorizer, storage, writer, pager, Followers())
    said = entries(4, owner=ROOM, type="groupchat")
    writer.put(said)
    rooms.note_created(ROOM, NOON + made * SECOND)

    whole = await reader.page(User(BY_OPERATOR), ROOM, PageQuery(limit=4))
    page = await reader.page(User(ALICE), ROOM, PageQuery(limit=4, counted=True))
    assert (texts(whole), texts(page)) == (texts(said), texts(said[made:]))
    assert page.count == 4 - made
    for query in (
        PageQuery(filter=Filter(since=NOON, until=NOON + SECOND)),
        PageQuery(filter=Filter(ids=tuple(message.id for message in whole.messages))),
        PageQuery(before=whole.messages[2].id, backwards=True),
        PageQuery(index=0),
    ):
        shown = texts(await reader.page(User(ALICE), ROOM, query))
        assert set(shown) <= set(texts(said[made:]))
    edges = await reader.bounds(User(ALICE), ROOM)
    assert (texts(edges) if edges else []) == ([said[made].xml, said[3].xml] if made < 4 else [])
