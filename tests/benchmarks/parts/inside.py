"""The CPU time of a page inside our process: query, store, rules and text, without a server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import cycle, islice
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

from benchmarks import mam
from benchmarks.contenders import D
from benchmarks.loading.dialogue import line
from benchmarks.loading.muniment import fill
from benchmarks.plan import Plan
from benchmarks.samples import Sample, of_turn
from benchmarks.servers.ejabberd import COMPONENT, HOST
from benchmarks.workspace import Workspace
from benchmarks.xmpp import Session
from component.core.access.audit import Audit
from component.core.access.authorize import Authorizer
from component.core.archiving.writer import Writer
from component.core.hosts import Hosts
from component.core.reading.follow import Followers
from component.core.reading.pages import Pager
from component.core.reading.reader import ArchiveReader
from component.xmpp.archive.mam import Mam
from component.xmpp.connection.addresses import Addresses
from component.xmpp.queries.exchange import Delegated
from storage.interface import Archive, Storage
from storage.open import open_storage
from storage.rows import Filter

PART = "inside"
OWNER = "owner"

#: The number of places, evenly over the older half of an archive, from which pages are read. Even
#: in the smallest archive a full page follows each of them.
PLACES = 20


#: A function that returns the queries of each way to read an archive; it gets the archive's size.
Ways = Callable[[Archive, int], Awaitable[dict[str, list[Element]]]]


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Read pages of one archive for each size, each in a file of its own."""
    async for turn in measure_ways(PART, _ways, plan, space):
        yield turn


async def measure_ways(
    part: str, ways: Ways, plan: Plan, space: Workspace
) -> AsyncIterator[list[Sample]]:
    """Read pages in each of `ways`, of one archive for each size."""
    folder = space.kept(part)
    for size in plan.sizes:
        await fill(folder / f"{size}.db", {OWNER: size})
    for number in range(plan.rounds):
        for size in plan.sizes:
            async with _opened(folder / f"{size}.db") as (archive, answerer):
                for way, queries in (await ways(archive, size)).items():
                    await _read(answerer, queries, PLACES)
                    cpu = await _read(answerer, queries, plan.inside_pages)
                    figures = {"cpu_ms": cpu / plan.inside_pages * 1000}
                    yield of_turn(part, D.key, number, figures, f"{way}/{size}")


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[tuple[Archive, Mam]]:
    async with open_reader(path) as (storage, reader):
        yield storage.archive, Mam(reader, Addresses())


@asynccontextmanager
async def open_reader(path: Path) -> AsyncIterator[tuple[Storage, ArchiveReader]]:
    """Open a store in a file, with the reader of its archives."""
    async with open_storage(f"sqlite:{path}") as storage:
        writer = Writer(storage.archive)
        running = asyncio.create_task(writer.run())
        authorizer = Authorizer(Hosts([HOST]), (), Audit(storage.audit_log, writer), None)
        reader = ArchiveReader(
            authorizer,
            storage,
            writer,
            Pager(storage.archive, writer, default_size=50, max_size=250),
            Followers(),
        )
        yield storage, reader
        writer.stop()
        await running


async def _ways(archive: Archive, size: int) -> dict[str, list[Element]]:
    """Return the queries of each way to read an archive."""
    session = Session(OWNER)
    places = [line(size * n // (2 * PLACES), size) for n in range(PLACES)]
    after, filtered = [], []
    for place in places:
        since = Filter(since=place.at * 1_000_000)
        page = await archive.page(session.jid, since, limit=1)
        after.append(mam.query(session, after=page.messages[0].id))
        filtered.append(mam.query(session, peer=f"{place.peer}@{HOST}", start=place.at))
    texts = {
        "last": [mam.query(session, before="")],
        "anywhere": after,
        "with+start": filtered,
    }
    return {way: parsed(queries) for way, queries in texts.items()}


def parsed(queries: list[bytes]) -> list[Element]:
    """Return the payloads of some queries."""
    return [fromstring(query)[0] for query in queries]  # noqa: S314


async def _read(answerer: Mam, queries: list[Element], pages: int) -> float:
    """Answer some queries in turn; return the CPU time of all threads."""
    jid = f"{OWNER}@{HOST}"
    exchange = Delegated(
        component=COMPONENT,
        host=HOST,
        outer_id="outer",
        delegation="urn:xmpp:delegation:1",
        privilege="urn:xmpp:privilege:1",
        asker=f"{jid}/phone",
        addressee=jid,
        requester=jid,
        owner=jid,
        id="inner",
    )
    begun = time.process_time()
    for query in islice(cycle(queries), pages):
        text = await answerer.answer("set", query, exchange)
        text.encode()
    return time.process_time() - begun
