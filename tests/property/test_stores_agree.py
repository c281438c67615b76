"""The store in PostgreSQL answers everything as the store in SQLite does, after any history."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from property.test_paging_properties import PEERS, TIMES, filters
from support.builders import carry_out, entry, everything

from storage.errors import StorageError
from storage.open import open_storage
from storage.rows import (
    ANY,
    READABLE,
    Cutoff,
    DisplayedMarker,
    EntryKind,
    Filter,
    JournalEntry,
    Kind,
    NewMessage,
    Phrase,
    Relation,
)
from storage.sql.store import SqlStorage

OWNERS = (f"agree{n}@example.org" for n in count())

NAMES = st.integers(-3, 3)
#: Words as core folds them: letters, digits and marks.
WORDS = st.sampled_from(["ab", "abc", "b", "é", "日", "7"])
TEXTS = st.lists(WORDS, max_size=5).map(" ".join)

Step = Callable[[SqlStorage, str], Awaitable[object]]


@st.composite
def messages(draw: st.DrawFn) -> NewMessage:
    kind = draw(st.sampled_from([Kind.MESSAGE, Kind.MESSAGE, Kind.ANNOTATION, Kind.RECEIPT]))
    return entry(
        draw(st.integers(0, 30)),
        at=draw(TIMES),
        peer=draw(st.sampled_from(PEERS)),
        resource=draw(st.sampled_from(["", "r"])),
        type=draw(st.sampled_from(["chat", "groupchat"])),
        xml=draw(st.sampled_from(["<m/>", "<é/>", "<long/>" * 9])),
        kind=kind,
        text=draw(TEXTS),
        name_hashes=tuple(draw(st.lists(NAMES, max_size=2))),
        refers_to=() if kind is Kind.MESSAGE else tuple(draw(st.lists(NAMES, max_size=2))),
        relation=draw(st.sampled_from(Relation)),
        is_seen=draw(st.booleans()),
        stanza_id=draw(st.sampled_from(["", "", "room-one", "room-two"])),
    )


@st.composite
def steps(draw: st.DrawFn) -> Step:
    rows = draw(st.lists(messages(), min_size=1, max_size=8))
    peer, name, limit = draw(st.sampled_from(PEERS)), draw(NAMES), draw(st.integers(1, 4))
    bound = st.none() | st.integers(0, 9)
    cutoff = Cutoff(since=draw(st.none() | TIMES), messages=draw(bound), bytes=draw(bound))
    value = draw(st.sampled_from(["", '{"n": 1}', '{"n": 2}']))
    kind = draw(st.sampled_from([EntryKind.CONTACT, EntryKind.PRESENCE]))

    async def blank(storage: SqlStorage, owner: str) -> None:
        for message in (await everything(storage.archive, owner)).messages[limit : limit + 1]:
            await storage.retention.blank(owner, message.id)

    append: Step = lambda s, o: s.archive.append([row._replace(owner=o) for row in rows])  # noqa: E731
    others: list[Step] = [
        lambda s, _: carry_out(s.archive),
        lambda s, o: s.retention.delete_oldest(o, cutoff, limit=limit),
        lambda s, o: s.retention.blank_oldest(o, peer, cutoff, limit=limit),
        blank,
        lambda s, o: s.archive.note_displayed(
            [DisplayedMarker(owner=o, peer=peer, name_hash=name)]
        ),
        lambda s, o: s.events.open(o),
        lambda s, o: s.events.put(
            [JournalEntry(owner=o, kind=kind, subject=peer, value=value, at=limit)]
        ),
    ]
    return draw(st.sampled_from([append, append, append, *others]))


@st.composite
def searches(draw: st.DrawFn) -> Filter:
    phrases = st.builds(
        Phrase, words=st.lists(WORDS, min_size=1, max_size=3).map(tuple), is_prefix=st.booleans()
    )
    return dataclasses.replace(
        draw(filters()),
        phrases=draw(st.none() | st.lists(phrases, min_size=1, max_size=2).map(tuple)),
        kinds=draw(st.sampled_from([None, READABLE, frozenset({Kind.MESSAGE})])),
    )


async def answers(storage: SqlStorage, owner: str, filter: Filter, limit: int) -> list[object]:
    """Return the answers of a store to many questions about an archive, without its own ids."""
    archive = storage.archive
    ids = [message.id for message in (await everything(archive, owner)).messages]
    middle = ids[len(ids) // 2] if ids else "none"
    questions: list[Callable[[], Awaitable[object]]] = [
        lambda: archive.page(owner, ANY, limit=100),
        lambda: archive.page(owner, filter, limit=limit, counted=True),
        lambda: archive.page(owner, filter, limit=limit, backwards=True, counted=True),
        lambda: archive.page(owner, filter, limit=limit, index=limit),
        lambda: archive.page(owner, filter, limit=limit, after=middle, max_bytes=20),
        lambda: archive.page(owner, dataclasses.replace(filter, before=middle), limit=limit),
        lambda: archive.page_by_time(owner, filter, limit=limit, newest=True, counted=True),
        lambda: archive.page_after(owner, middle, limit=limit),
        lambda: archive.count(owner, filter),
        lambda: archive.first_and_last(owner),
        lambda: archive.references(owner, ids, limit=limit),
        lambda: archive.conversations(owner, limit=limit),
        lambda: archive.conversations(owner, limit=9, since=middle, peers=PEERS[:3]),
        lambda: archive.page(owner, Filter(ids=("room-one",)), limit=limit),
        lambda: storage.retention.usage_of(owner),
        lambda: storage.retention.over_limit(owner, Cutoff(since=0, messages=limit)),
        lambda: storage.events.snapshot(owner),
        lambda: storage.events.page(owner, 0, limit=limit, max_bytes=30),
        lambda: storage.events.page(owner, limit, limit=100),
    ]
    number = await storage.database.read_archive(
        owner, lambda connection: archive.owners.look_up(connection, owner)
    )
    results = []
    for question in questions:
        try:
            result = await question()
        except StorageError as error:
            result = type(error)
        results.append(without_ids(result, lambda text: archive._ids.decode(number, text)))
    return results


def without_ids(value: Any, sequence_of: Callable[[str], int | None]) -> Any:
    """Return a value with sequences in the place of the ids that the store has made."""
    if isinstance(value, str):
        if value.startswith('{"'):
            return without_ids(json.loads(value), sequence_of)
        sequence = sequence_of(value)
        return value if sequence is None else sequence
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # The journal notes the time at which a message was displayed or changed.
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        if isinstance(value, JournalEntry):
            fields = {name: fields[name] for name in ("kind", "subject", "value")}
        return without_ids(fields, sequence_of)
    if isinstance(value, Mapping):
        return {without_ids(k, sequence_of): without_ids(v, sequence_of) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [without_ids(element, sequence_of) for element in value]
    return value


@pytest.fixture(scope="module")
def stores(runner: asyncio.Runner, store_server: Any) -> Iterator[tuple[SqlStorage, SqlStorage]]:
    """A store in SQLite and one in PostgreSQL."""
    url = store_server.server.create("agreeing")
    stack = AsyncExitStack()
    yield (
        runner.run(stack.enter_async_context(open_storage("sqlite::memory:"))),
        runner.run(stack.enter_async_context(open_storage(url))),
    )
    runner.run(stack.aclose())


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    history=st.lists(steps(), max_size=10),
    filter=searches(),
    limit=st.integers(1, 4),
)
def test_both_stores_answer_alike_after_the_same_history(
    runner: asyncio.Runner,
    stores: tuple[SqlStorage, SqlStorage],
    history: list[Step],
    filter: Filter,
    limit: int,
) -> None:
    async def check() -> None:
        owner = next(OWNERS)
        results = []
        for storage in stores:
            outcomes = []
            for step in history:
                try:
                    outcomes.append(await step(storage, owner))
                except StorageError as error:
                    outcomes.append(type(error))
            results.append((outcomes, await answers(storage, owner, filter, limit)))
            await storage.retention.erase(owner, limit=1000)
        assert results[1] == results[0]

    runner.run(check())
