"""Whatever is in an archive, filters, counts, places and conversations are what a list gives."""

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
MARKS = [1, -1, 2**63 - 1]
LEFT = "left"
OWNERS = (f"owner{n}@properties.example" for n in count())
SPOKEN = (Kind.MESSAGE, Kind.TOMBSTONE)


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
        name_hashes=tuple(draw(st.lists(st.sampled_from(MARKS), max_size=2, unique=True))),
        refers_to=tuple(draw(st.lists(st.sampled_from(MARKS), max_size=1))),
        relation=draw(st.sampled_from([Relation.CORRECTION, Relation.OTHER])),
        is_seen=draw(st.booleans()),
        dedup_key=dedup_key(name),
        xml=draw(st.sampled_from(["x", "ü", "long"])) + str(name),
    )


RETRACTIONS = st.builds(
    lambda mark, name: retraction(mark, name=name, owner=""),
    st.sampled_from(MARKS),
    st.sampled_from(["back", "again"]),
)
BATCHES = st.lists(st.lists(rows() | RETRACTIONS, max_size=8), max_size=5)

PHRASES = st.builds(
    Phrase,
    words=st.lists(st.sampled_from([*WORDS, "ra"]), min_size=1, max_size=2).map(tuple),
    is_prefix=st.booleans(),
)

#: Every part is mostly absent, so that what is tallied comes often.
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
    """A row in a list."""

    entry: NewMessage
    named: int | None = None  #: the place of the row that it names
    about: int | None = None  #: the place of the row which that one is shown as
    is_settled: bool = False  #: a correction of which what had to go is gone


@dataclass
class Model:
    """What an archive holds, in a list."""

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
            target.entry = target.entry._replace(kind=Kind.TOMBSTONE, xml=LEFT, text="")
        for row in self.held:
            is_correction = row.entry.relation is Relation.CORRECTION
            if is_correction and row.about == by.about and not row.is_settled:
                row.is_settled = True
                if row.entry.kind in without_content:
                    continue
                row.entry = row.entry._replace(kind=Kind.ANNOTATION, xml=LEFT, text="")

    def there(self) -> list[tuple[int, Held]]:
        """Return the rows and their places."""
        return [(place, row) for place, row in enumerate(self.held) if row]

    def rows(self) -> list[NewMessage]:
        return [row.entry for _, row in self.there()]


def up_to(place: int, row: Held | None) -> int:
    """Return the place up to which a row shows that its owner has read."""
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


def matches(row: NewMessage, wanted: Filter) -> bool:
    """Whether a row is wanted, ids aside."""
    return (
        wanted.peer in (None, row.peer)
        and wanted.resource in (None, row.resource)
        and (wanted.since is None or row.at >= wanted.since)
        and (wanted.until is None or row.at <= wanted.until)
        and wanted.groupchat in (None, row.type == "groupchat")
        and (wanted.kinds is None or row.kind in wanted.kinds)
        and all(is_in(phrase, row.text) for phrase in wanted.phrases or ())
    )


async def fill(archive: Archive, batches: Sequence[Sequence[NewMessage]]) -> str:
    owner = next(OWNERS)
    for batch in batches:
        await archive.append(owned(batch, owner))
        await carry_out(archive, LEFT)
    return owner


async def everything(archive: Archive, owner: str) -> tuple[ArchivedMessage, ...]:
    return (await archive.page(owner, Filter(), limit=100)).messages


def told(found: Sequence[NewMessage | ArchivedMessage]) -> list[tuple[object, ...]]:
    return [(row.xml, row.at, row.peer, row.kind, row.type) for row in found]


@given(batches=BATCHES)
def test_archive_equals_a_list_model(
    runner: asyncio.Runner, archive: Archive, batches: list[list[NewMessage]]
) -> None:
    async def check() -> None:
        owner = await fill(archive, batches)

        rows = Model.of(batches).rows()
        found = await everything(archive, owner)
        assert told(found) == told(rows)
        assert await archive.first_and_last(owner) == ((found[0], found[-1]) if found else None)

    runner.run(check())


@given(
    batches=BATCHES,
    wanted=FILTERS,
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
    wanted: Filter,
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
        asked = replace(
            wanted,
            after=None if first is None else ids[first],
            before=None if last is None else ids[last],
            ids=None if among is None else tuple(ids[n] for n in among),
        )

        page = await archive.page(
            owner,
            asked,
            limit=limit,
            index=index,
            backwards=backwards and index is None,
            counted=True,
        )

        matching = [
            row
            for n, row in enumerate(rows)
            if matches(row, wanted)
            and (first is None or n > first)
            and (last is None or n < last)
            and (among is None or n in among)
        ]
        start = max(len(matching) - limit, 0) if backwards and index is None else index or 0
        cut = matching[start : start + limit]
        assert told(page.messages) == told(cut)
        assert page.complete is (
            start == 0 if backwards and index is None else start + limit >= len(matching)
        )
        assert page.index == (index if index is not None else start if cut else None)
        assert page.count == await archive.count(owner, asked) == len(matching)

    runner.run(check())


@given(batches=BATCHES)
def test_references_equal_those_of_the_list_model(
    runner: asyncio.Runner, archive: Archive, batches: list[list[NewMessage]]
) -> None:
    async def check() -> None:
        owner = await fill(archive, batches)
        ids = [stored.id for stored in await everything(archive, owner)]

        found = await archive.references(owner, ids, limit=100)

        there = Model.of(batches).there()
        for id, (place, _) in zip(ids, there, strict=True):
            expected = [row.entry for _, row in there if row.about == place and not row.is_settled]
            assert told(found[id].messages if id in found else ()) == told(expected)

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
        found = list(page.conversations)
        while not page.complete:
            page = await archive.conversations(
                owner, limit=limit, since=cursor, before=found[-1].newest
            )
            found += page.conversations

        expected = []
        for peer in PEERS:
            mine = [n for n, row in enumerate(rows) if row.peer == peer]
            if not mine:
                continue
            seen = max([up_to(n, held[n]) for n in mine if rows[n].is_seen], default=-1)
            behind = seen if place is None else place
            unread = sum(
                n > behind
                and rows[n].direction is Direction.RECEIVED
                and rows[n].kind is Kind.MESSAGE
                for n in mine
            )
            spoken = [n for n in mine if rows[n].kind in SPOKEN] or mine
            expected.append((mine[-1], peer, len(mine), stored[spoken[-1]], unread))
        expected.sort(reverse=True)
        assert [(stored[n].id, *rest) for n, *rest in expected] == [
            (one.newest, one.peer, one.messages, one.last, one.unread) for one in found
        ]

    runner.run(check())
