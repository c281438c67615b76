"""Paging through the Remote Data archive returns every posted message once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from operator import itemgetter

from hypothesis import given, settings
from hypothesis import strategies as st
from support.http_services import HOST, open_services

from component.core.remote_data.archive import LAST, RemoteArchive, RemoteQuery
from component.core.remote_data.posts import Post, body_of
from component.core.xml.times import format_time, parse_time
from storage.rows import ArchivedMessage, Direction

#: Few times, so that many messages share one; the store keeps them to the microsecond. None is in
#: the future, which is refused.
TIMES = st.integers(min_value=0, max_value=12) | st.integers(
    min_value=parse_time("0001-01-01T00:00:00Z"),
    max_value=parse_time("2025-12-31T23:59:59.999999Z"),
)

#: All characters that XML can carry.
BODIES = st.text(
    st.characters(
        codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"
    )
    | st.sampled_from("\t\n\r"),
    max_size=20,
)

Message = tuple[int, str]
MESSAGES = st.lists(st.tuples(TIMES, BODIES), max_size=25)


def posted(message: Message) -> Post:
    at, body = message
    return Post(
        username="alice",
        peer="bob",
        timestamp=format_time(at),
        body=body,
        direction=Direction.RECEIVED,
    )


def read_back(items: Sequence[ArchivedMessage]) -> list[Message]:
    return sorted((item.at, body_of(item.xml) or "") for item in items)


async def paged(archive: RemoteArchive, limit: int, *, backwards: bool) -> list[ArchivedMessage]:
    """Page from one end to the other, as the modules of ejabberd do."""
    items: list[ArchivedMessage] = []
    place = LAST if backwards else None
    while True:
        if backwards:
            query = RemoteQuery(username="alice", before=place, limit=limit)
        else:
            query = RemoteQuery(username="alice", after=place, limit=limit)
        answer = await archive.read(HOST, query)
        items += answer.messages
        assert answer.count >= len(answer.messages)
        if answer.complete:
            return items
        place = format_time(answer.messages[0 if backwards else -1].at)


async def archive_holds(messages: Sequence[Message], limit: int) -> None:
    async with open_services() as services:
        archive = RemoteArchive(
            services.storage.archive,
            services.writer,
            services.jids,
            queue=services.queue,
            max_items=100,
        )
        for message in sorted(messages, key=itemgetter(0)):
            await archive.store(HOST, posted(message))

        forwards = await paged(archive, limit, backwards=False)
        backwards = await paged(archive, limit, backwards=True)

        assert read_back(forwards) == read_back(backwards) == sorted(set(messages))
        assert [item.at for item in forwards] == sorted(item.at for item in forwards)


@settings(deadline=None, max_examples=60)
@given(messages=MESSAGES, limit=st.integers(min_value=1, max_value=6))
def test_paging_gives_every_message_exactly_once(messages: list[Message], limit: int) -> None:
    asyncio.run(archive_holds(messages, limit))


async def indexed(messages: Sequence[Message], max_items: int, limit: int) -> list[str]:
    async with open_services() as services:
        archive = RemoteArchive(
            services.storage.archive,
            services.writer,
            services.jids,
            queue=services.queue,
            max_items=max_items,
        )
        for message in sorted(messages, key=itemgetter(0)):
            await archive.store(HOST, posted(message))
        timestamps: list[str] = []
        while True:
            query = RemoteQuery(username="alice", page=len(timestamps), limit=limit)
            answer = await archive.read(HOST, query)
            timestamps += [format_time(item.at) for item in answer.messages]
            if answer.complete:
                return timestamps


@settings(deadline=None, max_examples=40)
@given(
    messages=MESSAGES,
    max_items=st.integers(min_value=1, max_value=5),
    limit=st.integers(min_value=1, max_value=6),
)
def test_paging_by_index_gives_every_message_exactly_once(
    messages: list[Message], max_items: int, limit: int
) -> None:
    timestamps = asyncio.run(indexed(messages, max_items, limit))

    assert timestamps == [format_time(at) for at, _ in sorted(set(messages))]


@given(at=TIMES)
def test_times_survive_writing_and_reading(at: int) -> None:
    assert parse_time(format_time(at)) == at
