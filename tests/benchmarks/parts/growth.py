"""What grows with the store: many small archives, some large ones, and few very large ones.

Reads are measured inside our process, without a server. Start and memory are those of the whole
program.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from support.muniment import DATABASE

from benchmarks import mam
from benchmarks.contenders import D
from benchmarks.loading.copies import fill, owner
from benchmarks.loading.dialogue import line
from benchmarks.parts.inside import open_reader
from benchmarks.plan import Plan
from benchmarks.samples import Sample, of_turn, percentile
from benchmarks.servers.ejabberd import HOST
from benchmarks.usage import Meter, cpu_seconds
from benchmarks.workspace import Workspace
from benchmarks.xmpp import Session, Unexpected, login, register
from component.core.access.principals import User
from component.core.reading.conversations import ConversationQuery
from component.core.reading.pages import PageQuery
from component.core.reading.reader import ArchiveReader
from component.core.retention.holds import Holds
from component.core.retention.plan import RetentionDefaults, RetentionLimits
from component.core.retention.purge import Purge
from component.core.retention.rules import Rules
from storage.interface import Storage
from storage.rows import Filter, Phrase

PART = "growth"

#: The greatest number of archives that are read, evenly over the store.
READ_ARCHIVES = 100

#: The number of archives that clients read over XMPP, before the memory is measured.
CLIENTS = 20

#: The number of messages over the limit of the archive that is purged.
DELETED = 100


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Fill all stores and delete from each; then give each a turn in every round."""
    stores = {case(*store): store for store in plan.growth}
    for name, store in stores.items():
        begun = time.perf_counter()
        await fill(_path(space, name), *store)
        figures = {"load_seconds": time.perf_counter() - begun}
        # As in a store with retention, the index is in one piece afterwards.
        async with open_reader(_path(space, name)) as (storage, _):
            figures |= await _deletion(storage, store[1])
        yield of_turn(PART, D.key, 0, figures, name)
    for number in range(plan.rounds):
        for name in plan.order(PART, number, stores):
            figures = await _turn(plan, space, name, *stores[name], is_first=not number)
            yield of_turn(PART, D.key, number, figures, name)


def case(archives: int, size: int) -> str:
    """Return the name of a store with some archives of a size."""
    return f"{archives} of {size}"


def _folder(space: Workspace, name: str) -> Path:
    return space.kept(f"{PART} {name}".replace(" ", "-"))


def _path(space: Workspace, name: str) -> Path:
    return _folder(space, name) / DATABASE


async def _turn(
    plan: Plan, space: Workspace, name: str, archives: int, size: int, *, is_first: bool
) -> dict[str, float]:
    path = _path(space, name)
    owners = [owner(archives * n // READ_ARCHIVES) for n in range(READ_ARCHIVES)]
    bytes_of_store = path.stat().st_size
    figures = {
        "gib": bytes_of_store / 2**30,
        "bytes_per_message": bytes_of_store / archives / size,
    }
    async with open_reader(path) as (storage, reader):
        for way, read in WAYS.items():
            await _read(reader, read, owners, READ_ARCHIVES, size)
            cpu, seconds = await _read(reader, read, owners, plan.inside_pages, size)
            figures[f"{way}_cpu_ms"] = cpu / plan.inside_pages * 1000
            figures[f"{way}_ms"] = percentile(seconds, 50) * 1000
        figures |= await _sweep(storage, archives, size)
    with D.start(_folder(space, name)) as server:
        meter = Meter(server.pids)
        figures["seconds"] = server.start_seconds
        figures["start_cpu_seconds"] = cpu_seconds(server.pids["muniment"])
        users = list(dict.fromkeys(owners))[:CLIENTS]
        if is_first:
            for user in users:
                await register(server.port, user)
        async with AsyncExitStack() as stack:
            for user in users:
                client = await login(server.port, user)
                stack.callback(client.close)
                await _answered(client, size)
        figures |= meter.memory()
    return figures


_Read = Callable[[ArchiveReader, str, int, int], Awaitable[object]]


async def _read(
    reader: ArchiveReader, read: _Read, owners: list[str], times: int, size: int
) -> tuple[float, list[float]]:
    """Read archives in turn; return the CPU time of all threads, and the time of each read."""
    seconds = []
    begun = time.process_time()
    for number in range(times):
        at = time.perf_counter()
        await read(reader, f"{owners[number % len(owners)]}@{HOST}", number, size)
        seconds.append(time.perf_counter() - at)
    return time.process_time() - begun, seconds


def _newest(reader: ArchiveReader, jid: str, number: int, size: int) -> Awaitable[object]:
    return _page(reader, jid, Filter(), backwards=True)


def _middle(reader: ArchiveReader, jid: str, number: int, size: int) -> Awaitable[object]:
    at = line(_middle_number(number, size), size).at
    return _page(reader, jid, Filter(since=at * 1_000_000))


def _rare(reader: ArchiveReader, jid: str, number: int, size: int) -> Awaitable[object]:
    # Each message begins with its own number, which no other message of the archive has.
    word = str(_middle_number(number, size))
    return _page(reader, jid, Filter(phrases=(Phrase(words=(word,)),)))


def _common(reader: ArchiveReader, jid: str, number: int, size: int) -> Awaitable[object]:
    return _page(reader, jid, Filter(phrases=(Phrase(words=("quick",)),)), backwards=True)


def _conversations(reader: ArchiveReader, jid: str, number: int, size: int) -> Awaitable[object]:
    return reader.conversations(User(jid), jid, ConversationQuery())


def _middle_number(number: int, size: int) -> int:
    """Return the number of a message in the middle half of an archive."""
    return size // 4 + number * 7 % (size // 2)


async def _page(
    reader: ArchiveReader, jid: str, filter: Filter, *, backwards: bool = False
) -> None:
    query = PageQuery(filter=filter, backwards=backwards, counted=True)
    page = await reader.page(User(jid), jid, query)
    if not page.messages:
        raise Unexpected(f"{jid}: an empty page")


WAYS: dict[str, _Read] = {
    "newest": _newest,
    "middle": _middle,
    "rare_word": _rare,
    "common_word": _common,
    "conversations": _conversations,
}


async def _sweep(storage: Storage, archives: int, size: int) -> dict[str, float]:
    """Measure a purge of all archives that finds nothing to delete."""
    begun, seconds = time.process_time(), time.perf_counter()
    await (await _purge(storage, size)).run()
    cpu, seconds = time.process_time() - begun, time.perf_counter() - seconds
    return {"sweep_seconds": seconds, "sweep_cpu_us_archive": cpu / archives * 1_000_000}


async def _deletion(storage: Storage, size: int) -> dict[str, float]:
    """Measure a purge of one archive, and how long its traces take to remove from the index."""
    begun = time.perf_counter()
    purge = await _purge(storage, size - DELETED, f"{owner(0)}@{HOST}")
    await purge.run()
    purged = time.perf_counter()
    if purge.progress.messages != DELETED:
        raise Unexpected(f"{purge.progress.messages} messages were deleted")
    await storage.retention.scrub_index()
    return {
        "delete_ms": (purged - begun) / DELETED * 1000,
        "scrub_seconds": time.perf_counter() - purged,
    }


async def _purge(storage: Storage, messages: int, jid: str | None = None) -> Purge:
    """Return a purge that leaves some messages in an archive, None: in each."""
    rules, holds = Rules(storage.rules), Holds(storage.holds)
    await rules.load()
    defaults = RetentionDefaults(others=RetentionLimits(messages=messages))
    return Purge(storage, rules, holds, defaults, batch=1000, by=PART, owner=jid)


async def _answered(client: Session, size: int) -> None:
    """Read pages of an archive over XMPP: the newest, one from the middle, and a search."""
    middle = line(size // 2, size)
    for request in (
        mam.query(client, before=""),
        mam.query(client, start=middle.at),
        mam.query(client, before="", search="quick"),
    ):
        await mam.page(client, request)
