"""Paging through any archive equals slicing a list."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count, groupby

from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import dedup_key, entry, owned

from storage.interface import Archive
from storage.rows import ArchivedMessage, Filter, NewMessage, Page

NAMES = range(12)
PEERS = ["a@x", "a@y", "aa@x", "a%@x", "b@x", "a", "room@c"]
TIMES = st.integers(-6, 6) | st.sampled_from([-(2**61), 2**61])
OWNERS = (f"owner{n}@example.org" for n in count())


@st.composite
def rows(draw: st.DrawFn) -> NewMessage:
    name = draw(st.sampled_from(NAMES))
    twins = draw(st.none() | st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)))
    return entry(
        name,
        at=draw(TIMES),
        peer=draw(st.sampled_from(PEERS)),
        resource=draw(st.sampled_from(["", "r"])),
        type=draw(st.sampled_from(["chat", "groupchat", "normal"])),
        xml=str(draw(st.integers())),
        alternative_keys=twins and (dedup_key(twins[0]), dedup_key(twins[1])),
    )


BATCHES = st.lists(st.lists(rows(), max_size=8), max_size=5)
MESSAGES = st.lists(
    st.lists(rows().map(lambda row: row._replace(alternative_keys=None)), max_size=8), max_size=5
)


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    with_whom = draw(
        st.none() | st.sampled_from(PEERS) | st.sampled_from(["a", "aa", "a%", "_", "c"])
    )
    is_local = with_whom is not None and "@" not in with_whom and draw(st.booleans())
    return Filter(
        peer=None if is_local else with_whom,
        peer_local=with_whom if is_local else None,
        resource=draw(st.sampled_from([None, "", "r"])) if with_whom and not is_local else None,
        since=draw(st.none() | TIMES),
        until=draw(st.none() | TIMES),
        groupchat=draw(st.sampled_from([None, True, False])),
    )


def model(batches: Sequence[Sequence[NewMessage]]) -> list[NewMessage]:
    """Return the content of an archive after these batches, in the order of arrival."""
    held: dict[bytes, NewMessage] = {}
    for work in (work for batch in batches for work in batch):
        if held.keys().isdisjoint({work.dedup_key, *(work.alternative_keys or ())}):
            held[work.dedup_key] = work
    return list(held.values())


def matching(held: Sequence[NewMessage], filter: Filter) -> list[NewMessage]:
    """Return the rows that match a filter."""
    return [
        row
        for row in held
        if filter.peer in (None, row.peer)
        and filter.resource in (None, row.resource)
        and (filter.peer_local is None or row.peer.startswith(f"{filter.peer_local}@"))
        and (filter.since is None or row.at >= filter.since)
        and (filter.until is None or row.at <= filter.until)
        and filter.groupchat in (None, row.type == "groupchat")
    ]


def columns(rows: Sequence[NewMessage | ArchivedMessage]) -> list[tuple[object, ...]]:
    return [(row.xml, row.at, row.peer, row.resource, row.type) for row in rows]


async def fill(archive: Archive, batches: Sequence[Sequence[NewMessage]]) -> str:
    """Store batches in a new archive and return its owner."""
    owner = next(OWNERS)
    for batch in batches:
        await archive.append(owned(batch, owner))
    return owner


async def paged(
    archive: Archive,
    owner: str,
    filter: Filter,
    size: int,
    *,
    backwards: bool,
    max_bytes: int | None = None,
    counted: bool = False,
) -> list[ArchivedMessage]:
    """Return the messages of all pages from one end of an archive to the other."""
    messages: list[ArchivedMessage] = []
    place: dict[str, str] = {}
    while True:
        page = await archive.page(
            owner,
            filter,
            limit=size,
            backwards=backwards,
            max_bytes=max_bytes,
            counted=counted,
            **place,
        )
        if max_bytes is None:
            assert len(page.messages) == size or page.complete
        else:
            assert page.messages or page.complete
            page_bytes = sum(len(message.xml.encode()) for message in page.messages)
            assert page_bytes <= max_bytes or len(page.messages) == 1
        if counted and page.messages and page.index is not None and page.count is not None:
            behind = page.count - page.index - len(page.messages)
            assert len(messages) == (behind if backwards else page.index)
        messages = [*page.messages, *messages] if backwards else [*messages, *page.messages]
        if page.complete:
            return messages
        place = {"before": messages[0].id} if backwards else {"after": messages[-1].id}


@given(batches=BATCHES, filter=filters(), size=st.integers(1, 6))
def test_pages_forwards_and_backwards_are_the_archive(
    runner: asyncio.Runner,
    archive: Archive,
    batches: list[list[NewMessage]],
    filter: Filter,
    size: int,
) -> None:
    async def check() -> None:
        owner = await fill(archive, batches)

        forwards = await paged(archive, owner, filter, size, backwards=False)
        backwards = await paged(archive, owner, filter, size, backwards=True)

        assert columns(forwards) == columns(matching(model(batches), filter))
        assert backwards == forwards

    runner.run(check())


@given(
    batches=BATCHES,
    filter=filters(),
    size=st.integers(1, 6),
    max_bytes=st.integers(1, 1000),
    counted=st.booleans(),
)
def test_pages_bounded_in_bytes_lose_and_repeat_no_message(
    runner: asyncio.Runner,
    archive: Archive,
    batches: list[list[NewMessage]],
    filter: Filter,
    size: int,
    max_bytes: int,
    counted: bool,
) -> None:
    async def check() -> None:
        owner = await fill(archive, batches)

        for backwards in (False, True):
            messages = await paged(
                archive,
                owner,
                filter,
                size,
                backwards=backwards,
                max_bytes=max_bytes,
                counted=counted,
            )

            assert columns(messages) == columns(matching(model(batches), filter))

    runner.run(check())


@given(
    batches=BATCHES,
    filter=filters(),
    max_bytes=st.integers(1, 1000),
    newest=st.booleans(),
)
def test_pages_by_time_bounded_in_bytes_split_no_microsecond(
    runner: asyncio.Runner,
    archive: Archive,
    batches: list[list[NewMessage]],
    filter: Filter,
    max_bytes: int,
    newest: bool,
) -> None:
    async def check() -> None:
        owner = await fill(archive, batches)

        page = await archive.page_by_time(
            owner, filter, limit=100, newest=newest, max_bytes=max_bytes
        )

        in_time = sorted(matching(model(batches), filter), key=lambda row: row.at)
        count = len(page.messages)
        assert columns(page.messages) == columns(
            in_time[len(in_time) - count :] if newest else in_time[:count]
        )
        assert page.complete is (count == len(in_time))
        remaining = in_time[: len(in_time) - count] if newest else in_time[count:]
        assert not {row.at for row in remaining} & {message.at for message in page.messages}

    runner.run(check())


@given(batches=BATCHES, filter=filters())
def test_count_is_the_number_of_messages(
    runner: asyncio.Runner,
    archive: Archive,
    batches: list[list[NewMessage]],
    filter: Filter,
) -> None:
    async def check() -> None:
        owner = await fill(archive, batches)

        counts = [await archive.count(owner, applied) for applied in (filter, Filter())]

        held = model(batches)
        assert counts == [len(matching(held, filter)), len(held)]

    runner.run(check())


@given(
    batches=MESSAGES,
    filter=filters(),
    bounds=st.tuples(st.integers(0, 11), st.integers(0, 11)),
    limit=st.integers(0, 8),
    backwards=st.booleans(),
)
def test_page_between_two_ids_is_a_slice(
    runner: asyncio.Runner,
    archive: Archive,
    batches: list[list[NewMessage]],
    filter: Filter,
    bounds: tuple[int, int],
    limit: int,
    backwards: bool,
) -> None:
    async def check() -> None:
        owner = await fill(archive, batches)
        held = (await archive.page(owner, Filter(), limit=100)).messages
        first, last = (min(bound, len(held) - 1) for bound in bounds)
        between = matching(held[first + 1 : last], filter) if held else []  # type: ignore[arg-type]
        place = {"after": held[first].id, "before": held[last].id} if held else {}

        page = await archive.page(owner, filter, limit=limit, backwards=backwards, **place)

        cut = between[max(len(between) - limit, 0) :] if backwards else between[:limit]
        assert page == Page(messages=tuple(cut), complete=len(between) <= limit)  # type: ignore[arg-type]

    runner.run(check())


@given(
    batches=BATCHES,
    filter=filters(),
    limit=st.none() | st.integers(0, 8),
    newest=st.booleans(),
)
def test_page_by_time_is_the_shortest_without_a_split_microsecond(
    runner: asyncio.Runner,
    archive: Archive,
    batches: list[list[NewMessage]],
    filter: Filter,
    limit: int | None,
    newest: bool,
) -> None:
    async def check() -> None:
        owner = await fill(archive, batches)

        page = await archive.page_by_time(owner, filter, limit=limit, newest=newest)

        in_time = sorted(matching(model(batches), filter), key=lambda row: row.at)
        groups = [list(group) for _, group in groupby(in_time, key=lambda row: row.at)]
        expected: list[NewMessage] = []
        while groups and (limit is None or len(expected) < limit):
            expected = [*groups.pop(), *expected] if newest else [*expected, *groups.pop(0)]
        assert columns(page.messages) == columns(expected)
        assert page.complete is (not groups)

    runner.run(check())


@settings(max_examples=30)
@given(batches=BATCHES)
def test_ids_are_never_reused(
    runner: asyncio.Runner, archive: Archive, batches: list[list[NewMessage]]
) -> None:
    async def check() -> None:
        owner = await fill(archive, [])
        rows_by_id: dict[str, tuple[object, ...]] = {}
        for batch in batches:
            await archive.append(owned(batch, owner))
            for row in (await archive.page(owner, Filter(), limit=100)).messages:
                [columns_of_row] = columns([row])
                assert rows_by_id.setdefault(row.id, columns_of_row) == columns_of_row

    runner.run(check())
