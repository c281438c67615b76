"""Filters, counts, indexes and conversations of any archive equal those of a list."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, count

from hypothesis import assume, given
from hypothesis import strategies as st
from support.builders import carry_out, dedup_key, entry, owned, retraction

from storage.interface import Archive
from storage.rows import (
    ArchivedMessage,
    Direction,
    Filter,
    Kind,
    NewMessage,
    Phrase,
    Relation,
)

NAMES = range(12)
PEERS = ["a@x", "a@y", "b@x"]
WORDS = ["rain", "rainy", "ü", "你"]
NAME_HASHES = [1, -1, 2**63 - 1]
REPLACEMENT = "replaced"
OWNERS = (f"owner{n}@properties.example" for n in count())
WITH_CONTENT = (Kind.MESSAGE, Kind.TOMBSTONE)


@st.composite
def rows(draw: st.DrawFn) -> NewMessage:
    name = draw(st.sampled_from(NAMES))
    return entry(
        name,
        at=draw(st.integers(0, 5)),
        peer=draw(st.sampled_from(PEERS)),
        resource=draw(st.sampled_from(["", "r"])),
        type=draw(st.sampled_from(["chat", "groupchat"])),
        direction=draw(st.sampled_from(Direction)),
        kind=draw(st.sampled_from(Kind)),
        text=" ".join(draw(st.lists(st.sampled_from(WORDS), max_size=4))),
        name_hashes=tuple(draw(st.lists(st.sampled_from(NAME_HASHES), max_size=2, unique=True))),
        refers_to=tuple(draw(st.lists(st.sampled_from(NAME_HASHES), max_size=1))),
        relation=draw(st.sampled_from([Relation.CORRECTION, Relation.OTHER])),
        is_seen=draw(st.booleans()),
        dedup_key=dedup_key(name),
        xml=draw(st.sampled_from(["x", "ü", "long"])) + str(name),
    )


RETRACTIONS = st.builds(
    lambda mark, name: retraction(mark, name=name, owner=""),
    st.sampled_from(NAME_HASHES),
    st.sampled_from(["back", "again"]),
)
BATCHES = st.lists(st.lists(rows() | RETRACTIONS, max_size=8), max_size=5)

PHRASES = st.builds(
    Phrase,
    words=st.lists(st.sampled_from([*WORDS, "ra"]), min_size=1, max_size=2).map(tuple),
    is_prefix=st.booleans(),
)

#: Every part is mostly absent, so that filters with counters are frequent.
FILTERS = st.builds(
    Filter,
    peer=st.none() | st.none() | st.sampled_from(PEERS),
    resource=st.none() | st.none() | st.none() | st.sampled_from(["", "r"]),
    since=st.none() | st.none() | st.integers(0, 5),
    until=st.none() | st.none() | st.integers(0, 5),
    groupchat=st.sampled_from([None, None, True, False]),
    kinds=st.none() | st.none() | st.none() | st.frozensets(st.sampled_from(Kind)),
    phrases=st.none() | st.none() | st.lists(PHRASES, max_size=2).map(tuple),
)


@dataclass
class Held:
    """A row of the list model."""

    entry: NewMessage
    named: int | None = None  #: index of the row that it refers to by name
    about: int | None = None  #: index of the message that this row belongs to
    is_settled: bool = False  #: whether a retraction has settled this correction


@dataclass
class Model:
    """A list that behaves like an archive."""

    held: list[Held]

    @classmethod
    def of(cls, batches: Sequence[Sequence[NewMessage]]) -> Model:
        model = cls([])
        for row in chain.from_iterable(batches):
            if not any(held.entry.dedup_key == row.dedup_key for held in model.held):
                model.add(row)
        return model

    def add(self, entry: NewMessage) -> None:
        new = Held(entry)
        self.held.append(new)
        for place, row in enumerate(self.held[:-1]):
            if set(entry.refers_to) & set(row.entry.name_hashes):
                is_correction = row.entry.relation is Relation.CORRECTION
                is_shown_elsewhere = is_correction and row.about is not None
                new.named, new.about = place, row.about if is_shown_elsewhere else place
        if entry.relation is Relation.RETRACTION:
            self.retract(new)

    def retract(self, by: Held) -> None:
        if by.about is None:
            return
        target = self.held[by.about]
        without_content = (Kind.TOMBSTONE, Kind.BLANKED)
        if target.entry.kind not in without_content:
            target.entry = target.entry._replace(kind=Kind.TOMBSTONE, xml=REPLACEMENT, text="")
        for row in self.held:
            is_correction = row.entry.relation is Relation.CORRECTION
            if is_correction and row.about == by.about and not row.is_settled:
                row.is_settled = True
                if row.entry.kind in without_content:
                    continue
                row.entry = row.entry._replace(kind=Kind.ANNOTATION, xml=REPLACEMENT, text="")

    def placed_rows(self) -> list[tuple[int, Held]]:
        """Return the rows with their indexes in the list."""
        return [(place, row) for place, row in enumerate(self.held) if row]

    def rows(self) -> list[NewMessage]:
        return [row.entry for _, row in self.placed_rows()]


def up_to(place: int, row: Held | None) -> int:
    """Return the index of the last message that a row marks as read."""
    is_marker = row is not None and row.entry.kind is Kind.RECEIPT
    return row.named if row and is_marker and row.named is not None else place


def is_in(phrase: Phrase, text: str) -> bool:
    words, size = text.split(), len(phrase.words)
    for start in range(len(words) - size + 1):
        *first, last = words[start : start + size]
        is_last = (
            last.startswith(phrase.words[-1]) if phrase.is_prefix else last == phrase.words[-1]
        )
        if is_last and tuple(first) == phrase.words[:-1]:
            return True
    return False


def matches(row: NewMessage, filter: Filter) -> bool:
    """Return whether a row matches a filter, without its ids."""
    return (
        filter.peer in (None, row.peer)
        and filter.resource in (None, row.resource)
        and (filter.since is None or row.at >= filter.since)
        and (filter.until is None or row.at <= filter.until)
        and filter.groupchat in (None, row.type == "groupchat")
        and (filter.kinds is None or row.kind in filter.kinds)
        and all(is_in(phrase, row.text) for phrase in filter.phrases or ())
    )


async def fill(archive: Archive, batches: Sequence[Sequence[NewMessage]]) -> str:
    owner = next(OWNERS)
    for batch in batches:
        await archive.append(owned(batch, owner))
        await carry_out(archive, REPLACEMENT)
    return owner


async def everything(archive: Archive, owner: str) -> tuple[ArchivedMessage, ...]:
    return (await archive.page(owner, Filter(), limit=100)).messages


def columns(stored_rows: Sequence[NewMessage | ArchivedMessage]) -> list[tuple[object, ...]]:
    return [(row.xml, row.at, row.peer, row.kind, row.type) for row in stored_rows]


@given(batches=BATCHES)
def test_archive_equals_a_list_model(
    runner: asyncio.Runner, archive: Archive, batches: list[list[NewMessage]]
) -> None:
    async def check() -> None:
        owner = await fill(archive, batches)

        rows = Model.of(batches).rows()
        stored_rows = await everything(archive, owner)
        assert columns(stored_rows) == columns(rows)
        assert await archive.first_and_last(owner) == (
            (stored_rows[0], stored_rows[-1]) if stored_rows else None
        )

    runner.run(check())


@given(
    batches=BATCHES,
    filter=FILTERS,
    bounds=st.tuples(st.none() | st.integers(0, 9), st.none() | st.integers(0, 9)),
    chosen=st.none() | st.none() | st.sets(st.integers(0, 9), max_size=6),
    limit=st.integers(0, 5),
    index=st.none() | st.integers(0, 12),
    backwards=st.booleans(),
)
def test_counted_page_is_a_slice_with_its_index(
    runner: asyncio.Runner,
    archive: Archive,
    batches: list[list[NewMessage]],
    filter: Filter,
    bounds: tuple[int | None, int | None],
    chosen: set[int] | None,
    limit: int,
    index: int | None,
    backwards: bool,
) -> None:
    async def check() -> None:
        rows = Model.of(batches).rows()
        assume(rows)
        owner = await fill(archive, batches)
        ids = [stored.id for stored in await everything(archive, owner)]
        first, last = (None if n is None else n % len(rows) for n in bounds)
        among = None if chosen is None else {n % len(rows) for n in chosen}
        query = replace(
            filter,
            after=None if first is None else ids[first],
            before=None if last is None else ids[last],
            ids=None if among is None else tuple(ids[n] for n in among),
        )

        page = await archive.page(
            owner,
            query,
            limit=limit,
            index=index,
            backwards=backwards and index is None,
            counted=True,
        )

        matching = [
            row
            for n, row in enumerate(rows)
            if matches(row, filter)
            and (first is None or n > first)
            and (last is None or n < last)
            and (among is None or n in among)
        ]
        start = max(len(matching) - limit, 0) if backwards and index is None else index or 0
        cut = matching[start : start + limit]
        assert columns(page.messages) == columns(cut)
        assert page.complete is (
            start == 0 if backwards and index is None else start + limit >= len(matching)
        )
        assert page.index == (index if index is not None else start if cut else None)
        assert page.count == await archive.count(owner, query) == len(matching)

    runner.run(check())


@given(batches=BATCHES)
def test_references_equal_those_of_the_list_model(
    runner: asyncio.Runner, archive: Archive, batches: list[list[NewMessage]]
) -> None:
    async def check() -> None:
        owner = await fill(archive, batches)
        ids = [stored.id for stored in await everything(archive, owner)]

        references = await archive.references(owner, ids, limit=100)

        placed_rows = Model.of(batches).placed_rows()
        for id, (place, _) in zip(ids, placed_rows, strict=True):
            expected = [
                row.entry for _, row in placed_rows if row.about == place and not row.is_settled
            ]
            assert columns(references[id].messages if id in references else ()) == columns(
                expected
            )

    runner.run(check())


@given(batches=BATCHES, limit=st.integers(1, 3), since=st.none() | st.integers(0, 9))
def test_conversations_equal_those_of_the_list_model(
    runner: asyncio.Runner,
    archive: Archive,
    batches: list[list[NewMessage]],
    limit: int,
    since: int | None,
) -> None:
    async def check() -> None:
        batches_kept = [[row for row in batch if row.peer in PEERS] for batch in batches]
        held = Model.of(batches_kept).held
        rows = [row.entry for row in held if row]
        assume(rows)
        owner = await fill(archive, batches_kept)
        stored = await everything(archive, owner)
        place = None if since is None else since % len(rows)
        cursor = None if place is None else stored[place].id

        page = await archive.conversations(owner, limit=limit, since=cursor)
        conversations = list(page.conversations)
        while not page.complete:
            page = await archive.conversations(
                owner, limit=limit, since=cursor, before=conversations[-1].newest
            )
            conversations += page.conversations

        expected = []
        for peer in PEERS:
            mine = [n for n, row in enumerate(rows) if row.peer == peer]
            if not mine:
                continue
            seen_place = max([up_to(n, held[n]) for n in mine if rows[n].is_seen], default=-1)
            behind = seen_place if place is None else place
            unread = sum(
                n > behind
                and rows[n].direction is Direction.RECEIVED
                and rows[n].kind is Kind.MESSAGE
                for n in mine
            )
            spoken = [n for n in mine if rows[n].kind in WITH_CONTENT] or mine
            expected.append((mine[-1], peer, len(mine), stored[spoken[-1]], unread))
        expected.sort(reverse=True)
        assert [(stored[n].id, *rest) for n, *rest in expected] == [
            (
                conversation.newest,
                conversation.peer,
                conversation.messages,
                conversation.last,
                conversation.unread,
            )
            for conversation in conversations
        ]

    runner.run(check())
