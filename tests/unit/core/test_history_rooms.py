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
async def test_who_is_in_a_room_reads_nothing_from_before_it_was_made(
    storage: Storage, writer: Writer, made: int
) -> None:
    rooms = Rooms(Hosts([HOST], [f"conference.{HOST}"]), storage.records, OpenRooms())
    authorizer = Authorizer(Hosts([HOST]), [OPERATOR], Audit(storage.records, writer), rooms)
    reader = ArchiveReader(
        authorizer, storage, writer, Pager(storage.archive, writer, usual=2, most=4), Followers()
    )
    said = entries(4, owner=ROOM, type="groupchat")
    writer.put(said)
    rooms.note_new(ROOM, NOON + made * SECOND)

    whole = await reader.page(User(BY_OPERATOR), ROOM, PageQuery(limit=4))
    page = await reader.page(User(ALICE), ROOM, PageQuery(limit=4, counted=True))
    assert (texts(whole), texts(page)) == (texts(said), texts(said[made:]))
    assert page.count == 4 - made
    for query in (
        PageQuery(wanted=Filter(since=NOON, until=NOON + SECOND)),
        PageQuery(wanted=Filter(ids=tuple(message.id for message in whole.messages))),
        PageQuery(before=whole.messages[2].id, backwards=True),
        PageQuery(index=0),
    ):
        shown = texts(await reader.page(User(ALICE), ROOM, query))
        assert set(shown) <= set(texts(said[made:]))
    edges = await reader.bounds(User(ALICE), ROOM)
    assert (texts(edges) if edges else []) == ([said[made].xml, said[3].xml] if made < 4 else [])
