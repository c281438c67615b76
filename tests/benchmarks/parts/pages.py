"""Pages of 50 by MAM, of archives of several sizes, read in four ways, and once from the disk."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle, islice
from pathlib import Path

from benchmarks import mam
from benchmarks.cache import evict, load, resident_bytes
from benchmarks.contenders import ARCHIVES, ON_POSTGRES, Contender, F, Running
from benchmarks.loading.archives import fill, owners
from benchmarks.loading.dialogue import END, PEERS, STEP_SECONDS
from benchmarks.mam import Page
from benchmarks.plan import Plan
from benchmarks.samples import Sample, of_turn, percentile
from benchmarks.servers.ejabberd import HOST
from benchmarks.usage import Meter
from benchmarks.workspace import Workspace
from benchmarks.xmpp import Session, Unexpected, login

PART = "pages"
WARM_SECONDS = 0.2

#: The number of places of an archive from which clients read: one for each peer in it.
COLD_PAGES = PEERS


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Fill all archives once, then give each contender a turn in every round."""
    contenders = (*ARCHIVES, *ON_POSTGRES, F)
    for contender in contenders:
        if not contender.archives_of:
            await fill(contender, space.kept(contender.kept), plan.sizes)
    for number in range(plan.rounds):
        for contender in plan.order(PART, number, contenders):
            folder = space.kept(contender.kept)
            # The last turn may have ended with a cold read.
            load(folder)
            with contender.start(folder) as server:
                async for case, figures in _turn(plan, contender, server):
                    yield of_turn(PART, contender.key, number, figures, case)
            if contender is not F:
                with contender.start(folder) as server:
                    figures = await _cold_turn(plan, folder, server)
                yield of_turn(PART, contender.key, number, figures, cold(plan.sizes[-1]))


async def _turn(
    plan: Plan, contender: Contender, server: Running
) -> AsyncIterator[tuple[str, dict[str, float]]]:
    # The constant page is the same for every query.
    meter = Meter(server.pids)
    sizes = plan.sizes[:1] if contender is F else plan.sizes
    ways = {"last": last} if contender is F else WAYS
    for size in sizes:
        async with _clients(server.port, size, max(plan.clients)) as clients:
            for way, begin in ways.items():
                for count in plan.clients:
                    reading = Reading(clients[:count], begin, size)
                    await reading.run(WARM_SECONDS)
                    figures = await _measured(reading.run(plan.page_seconds), reading, server)
                    yield case(way, None if contender is F else size, count), figures
        yield f"after {size}", meter.memory()


async def _cold_turn(plan: Plan, folder: Path, server: Running) -> dict[str, float]:
    """Read one page at each of some places of archives that are not in the page cache."""
    size = plan.sizes[-1]
    # The smallest archives show that the server answers, and leave the largest ones cold.
    async with _clients(server.port, plan.sizes[0], 1), AsyncExitStack() as stack:
        clients = [await login(server.port, owner) for owner in owners(size)]
        for client in clients:
            stack.callback(client.close)
        evict(folder)
        resident = resident_bytes(folder)
        reading = Reading(clients, with_start, size)
        figures = await _measured(reading.once(COLD_PAGES), reading, server)
    return figures | {"resident_mib": resident / 2**20}


def case(way: str, size: int | None, clients: int) -> str:
    """Return the name of a case; the constant page has no size."""
    return f"{way}/{size or 'constant'}/{clients}"


def cold(size: int) -> str:
    """Return the name of the case in which an archive is not in the page cache."""
    return case("cold", size, 1)


async def _measured(run: Awaitable[float], reading: Reading, server: Running) -> dict[str, float]:
    meter = Meter(server.pids)
    gc.disable()
    elapsed = await run
    gc.enable()
    pages = len(reading.seconds)
    spent = {f"cpu_ms_{name}": used * 1000 / pages for name, used in meter.spent().items()}
    return {
        "pages_per_second": pages / elapsed,
        "page_p50_ms": percentile(reading.seconds, 50) * 1000,
        "page_p99_ms": percentile(reading.seconds, 99) * 1000,
        "messages_per_page": reading.messages / pages,
        "others_cpu": meter.noise(),
        "cpu_ms": sum(spent.values()),
        **spent,
    }


class Reading:
    """Clients that read pages without a pause, each in its own way through its archive."""

    def __init__(
        self, clients: list[Session], begin: Callable[[Session, int, int], Walk], size: int
    ) -> None:
        self._walks = [
            (client, begin(client, number, size)) for number, client in enumerate(clients)
        ]
        self.seconds: list[float] = []
        self.messages = 0

    async def run(self, seconds: float) -> float:
        """Read for about `seconds`; return the exact duration."""
        self.seconds.clear()
        self.messages = 0
        begun = time.perf_counter()
        await asyncio.gather(
            *(self._read(client, walk, begun + seconds) for client, walk in self._walks)
        )
        return time.perf_counter() - begun

    async def once(self, pages: int) -> float:
        """Read some pages, one client after the other; return the duration in seconds."""
        begun = time.perf_counter()
        for client, walk in islice(cycle(self._walks), pages):
            await self._page(client, walk)
        return time.perf_counter() - begun

    async def _read(self, client: Session, walk: Walk, until: float) -> None:
        while time.perf_counter() < until:
            await self._page(client, walk)

    async def _page(self, client: Session, walk: Walk) -> None:
        sent_at = time.perf_counter()
        page = await mam.page(client, walk.query())
        self.seconds.append(time.perf_counter() - sent_at)
        self.messages += page.results
        walk.note_page(page)


class Walk:
    """The queries of one client, each of which may depend on the page before."""

    def __init__(self, *queries: bytes, follow: Callable[[Page], bytes] | None = None) -> None:
        """Ask the queries in turn; or the first one, and then those that `follow` returns."""
        self._queries = cycle(queries)
        self._follow = follow
        self._next = next(self._queries)

    def query(self) -> bytes:
        """Return the next query."""
        return self._next

    def note_page(self, page: Page) -> None:
        """Choose the next query after the page that answered the last one."""
        if self._follow is None or page.is_complete:
            self._next = next(self._queries)
        else:
            self._next = self._follow(page)


def last(client: Session, number: int, size: int) -> Walk:
    """Return a walk that reads the newest page repeatedly."""
    return Walk(mam.query(client, before=""))


def back(client: Session, number: int, size: int) -> Walk:
    """Return a walk from the newest page to the oldest."""
    return Walk(
        mam.query(client, before=""), follow=lambda page: mam.query(client, before=page.first)
    )


def forward(client: Session, number: int, size: int) -> Walk:
    """Return a walk from the oldest page to the newest."""
    return Walk(mam.query(client), follow=lambda page: mam.query(client, after=page.last))


def with_start(client: Session, number: int, size: int) -> Walk:
    """Return a walk over the messages with one peer from some time on, then with the next peer."""
    queries = []
    for n in range(PEERS):
        peer = f"peer{(number + n) % PEERS}@{HOST}"
        # A full page follows each place in the older half, even in the smallest archive.
        start = END - size * STEP_SECONDS * (PEERS + n + 1) // (2 * PEERS)
        queries.append(mam.query(client, peer=peer, start=start))
    return Walk(*queries)


WAYS = {"last": last, "back": back, "forward": forward, "with+start": with_start}


@asynccontextmanager
async def _clients(port: int, size: int, count: int) -> AsyncIterator[list[Session]]:
    users = cycle(owners(size))
    async with AsyncExitStack() as stack:
        clients = []
        for number in range(count):
            client = await login(port, next(users), f"client{number}")
            stack.callback(client.close)
            clients.append(client)
        await _answering(clients[0])
        yield clients


async def _answering(client: Session) -> None:
    """Wait until the archive answers queries."""
    for _ in range(100):
        try:
            await mam.page(client, mam.query(client, before=""))
        except Unexpected:
            await asyncio.sleep(0.1)
        else:
            return
    raise Unexpected("the archive answers no queries")
