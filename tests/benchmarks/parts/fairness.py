"""What other accounts notice while one account does the worst it can.

An account floods in short windows; between them it is silent. All the time, another account reads
pages by MAM and over HTTP, and pairs of users write to each other at an even rate. Everything is
compared with the windows before and behind, so that a slow period of the machine affects both.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    closing,
)
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

from support.ejabberd import Account
from support.muniment import DATABASE, Muniment
from support.ports import LOOPBACK, free_port

from benchmarks import floods, mam
from benchmarks.contenders import Contender, D, F
from benchmarks.flooder import Flooder, Target
from benchmarks.floods import FLOODER, PEER, SIZE
from benchmarks.loading import muniment
from benchmarks.machine import without_garbage_collection
from benchmarks.plan import Plan
from benchmarks.polls import sign_in
from benchmarks.raw_http import HttpConnection, request, status
from benchmarks.samples import Sample, of_turn, percentile
from benchmarks.servers.constant import Constant
from benchmarks.servers.ejabberd import HOST, BenchmarkedEjabberd
from benchmarks.traffic import Traffic
from benchmarks.usage import Meter
from benchmarks.workspace import Workspace
from benchmarks.xmpp import PASSWORD, Session, Unexpected, login
from component.core.accounts import verifiers
from component.wiring import token_key
from storage.open import open_storage
from storage.rows import Account as StoredAccount

PART = "fairness"

#: The account whose pages are measured, the number of its messages, and its address.
READER, READER_SIZE, READER_ADDRESS = "reader", 10_000, "192.0.2.1"

#: The pairs of users who write to each other, and how many messages they send a second in all.
PAIRS, RATE = 5, 200.0

#: Seconds between two pages of the reader.
PAUSE_SECONDS = 0.02

#: Seconds at the beginning of each window that do not count, and that are waited after a flood, at
#: least; and at most for the archives to be complete.
RAMP_SECONDS, CATCH_UP_SECONDS = 0.3, 5.0
POLL_SECONDS = 0.01

PERCENTILES = (50, 99)

#: What is measured: pages over XMPP and over HTTP, by milliseconds, and messages of others.
BY_XMPP, BY_HTTP, OTHERS = "xmpp", "http", "ingest"

_KEY = "key.json"

_ARCHIVED = "SELECT coalesce(sum(messages), 0) FROM owners WHERE jid LIKE 'user%'"


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Have one account flood the servers in each way, in every round."""
    filled = space.kept(PART)
    tokens = await _fill(filled)
    turns: dict[Contender, tuple[_Start, Sequence[str]]] = {
        D: (partial(_with_muniment, filled, tokens), (*floods.XMPP, *floods.HTTP)),
        F: (_without_muniment, floods.WITHOUT_MUNIMENT),
    }
    for number in range(plan.rounds):
        for contender in plan.order(PART, number, turns):
            start, names = turns[contender]
            with space.fresh(contender.key) as folder:
                async with start(folder) as servers, _others(servers) as others:
                    for flood in plan.order(PART, number, names):
                        figures = await _measured(flood, servers, others, plan)
                        yield of_turn(PART, contender.key, number, figures, flood)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Servers:
    """The running servers, and how many messages of the pairs are archived, or None."""

    c2s_port: int
    http_port: int  #: 0: there is no HTTP
    pids: Mapping[str, int]
    tokens: Mapping[str, str]  #: access tokens by user
    archived: Callable[[], int] | None


_Start = Callable[[Path], AbstractAsyncContextManager[_Servers]]


@dataclass(slots=True)
class _Page:
    """A page of the reader."""

    begun: float
    seconds: float
    is_refused: bool  # once at least, before the page came


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """A time with or without a flood."""

    is_disturbed: bool
    begun: float
    ended: float
    sent: int
    arrived: int  #: archived, or delivered where there is no archive

    @property
    def rate(self) -> float:
        """Arrived messages of those that were sent."""
        return self.arrived / max(1, self.sent)


class _Others:
    """A reader and pairs of users, who go on all the time."""

    def __init__(self, servers: _Servers, traffic: Traffic) -> None:
        self.servers = servers
        self.traffic = traffic
        self.pages: dict[str, list[_Page]] = {BY_XMPP: [], BY_HTTP: []}

    def arrived(self) -> int:
        """Return how many messages are archived, once for each archive, or delivered."""
        if self.servers.archived is None:
            return self.traffic.delivered
        return self.servers.archived() // 2

    async def read(self, kind: str, ask: Callable[[], Awaitable[bool]]) -> None:
        """Read pages until cancelled. A page that is refused is asked for until it comes."""
        while True:
            begun, is_refused = time.perf_counter(), False
            while not await ask():
                is_refused = True
                await asyncio.sleep(PAUSE_SECONDS)
            elapsed = time.perf_counter() - begun
            self.pages[kind].append(_Page(begun, elapsed, is_refused))
            await asyncio.sleep(PAUSE_SECONDS)

    async def write(self) -> None:
        """Send messages at an even rate until cancelled."""
        loop = asyncio.get_running_loop()
        due, number = loop.time(), 0
        while True:
            self.traffic.flows[number % len(self.traffic.flows)].send(1)
            number += 1
            due = max(due + 1 / RATE, loop.time() - 1.0)
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def caught_up(self) -> None:
        """Wait until the archives have what was sent a moment ago, or for CATCH_UP_SECONDS."""
        sent, until = len(self.traffic.sent_at), time.perf_counter() + CATCH_UP_SECONDS
        while self.arrived() < sent and time.perf_counter() < until:  # noqa: ASYNC110 - polls a file
            await asyncio.sleep(POLL_SECONDS)

    async def window(self, *, is_disturbed: bool, seconds: float) -> _Window:
        """Measure for some seconds."""
        await asyncio.sleep(RAMP_SECONDS)
        begun, sent, arrived = time.perf_counter(), len(self.traffic.sent_at), self.arrived()
        await asyncio.sleep(seconds)
        return _Window(
            is_disturbed=is_disturbed,
            begun=begun,
            ended=time.perf_counter(),
            sent=len(self.traffic.sent_at) - sent,
            arrived=self.arrived() - arrived,
        )


async def _measured(
    flood: str, servers: _Servers, others: _Others, plan: Plan
) -> dict[str, float]:
    flooder = await Flooder.start(
        Target(
            flood=flood,
            c2s_port=servers.c2s_port,
            http_port=servers.http_port,
            token=servers.tokens.get(FLOODER, ""),
        )
    )
    windows: list[_Window] = []
    answers: dict[str, int] = {}
    spent = 0.0
    try:
        meter = Meter(servers.pids)
        for _ in range(plan.fair_windows):
            await others.caught_up()
            windows.append(await others.window(is_disturbed=False, seconds=plan.fair_seconds))
            await flooder.begin()
            begun = time.perf_counter()
            windows.append(await others.window(is_disturbed=True, seconds=plan.fair_seconds))
            for kind, count in (await flooder.end()).items():
                answers[kind] = answers.get(kind, 0) + count
            spent += time.perf_counter() - begun
        noise = meter.noise()
    finally:
        await flooder.stop()
    await others.caught_up()
    figures = _figures(windows, others)
    answered = sum(count for kind, count in answers.items() if kind != "bytes")
    served = sum(count for kind, count in answers.items() if kind in ("result", "200", "201"))
    return figures | {
        "answers_per_second": answered / spent,
        "served_per_second": served / spent,
        "others_cpu": noise,
    }


def _figures(windows: Sequence[_Window], others: _Others) -> dict[str, float]:
    pairs = [(calm, flooded) for calm, flooded in pairwise(windows) if flooded.is_disturbed]
    figures: dict[str, float] = {}
    for kind, pages in others.pages.items():
        if not pages:
            continue
        calm, flooded = (
            [_within(pages, window) for window in windows if window.is_disturbed == is_disturbed]
            for is_disturbed in (False, True)
        )
        for percent in PERCENTILES:
            before, during = (
                percentile([page.seconds for some in group for page in some], percent) * 1000
                for group in (calm, flooded)
            )
            figures[f"{kind}_p{percent}_calm_ms"] = before
            figures[f"{kind}_p{percent}_ms"] = during
            figures[f"{kind}_p{percent}_ratio"] = during / before
        ratios = [
            median(page.seconds for page in during) / median(page.seconds for page in before)
            for before, during in zip(calm, flooded, strict=True)
            if before and during
        ]
        figures |= _interval(f"{kind}_p50", ratios)
        figures[f"{kind}_refused"] = sum(page.is_refused for some in flooded for page in some)
    figures[f"{OTHERS}_ratio"] = _total([b for _, b in pairs]) / _total([a for a, _ in pairs])
    return figures | _interval(OTHERS, [b.rate / a.rate for a, b in pairs if a.rate])


def _total(windows: Sequence[_Window]) -> float:
    return sum(window.arrived for window in windows) / sum(window.sent for window in windows)


def _interval(name: str, ratios: Sequence[float]) -> dict[str, float]:
    """Return the least and the greatest of the ratios of neighbouring windows.

    With four pairs of windows the median is between them with a probability of 88 %.
    """
    return {f"{name}_from": min(ratios), f"{name}_to": max(ratios)} if ratios else {}


def _within(pages: Sequence[_Page], window: _Window) -> list[_Page]:
    """Return the pages that were under way in a window, each with all of its time."""
    return [
        page
        for page in pages
        if page.begun < window.ended and page.begun + page.seconds > window.begun
    ]


@asynccontextmanager
async def _others(servers: _Servers) -> AsyncIterator[_Others]:
    """Log the others in, and let them read and write until the end of the block."""
    async with AsyncExitStack() as stack:
        sessions = []
        for number in range(2 * PAIRS):
            sessions.append(await login(servers.c2s_port, f"user{number}"))
        reader = await login(servers.c2s_port, READER)
        for session in (*sessions, reader):
            stack.callback(session.close)
        pairs = list(zip(sessions[::2], sessions[1::2], strict=True))
        others = _Others(servers, Traffic(pairs))
        asks = {BY_XMPP: partial(_mam_page, reader)}
        if servers.http_port:
            connection = await HttpConnection.open(servers.http_port)
            stack.callback(connection.close)
            asks[BY_HTTP] = partial(_http_page, connection, servers.tokens[READER])
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(others.read(kind, ask)) for kind, ask in asks.items()]
            tasks.append(group.create_task(others.write()))
            with without_garbage_collection():
                # The first pages and messages find empty caches.
                await asyncio.sleep(1.0)
                yield others
            for task in tasks:
                task.cancel()


async def _mam_page(reader: Session) -> bool:
    """Read a page; return whether it came."""
    try:
        page = await mam.page(reader, mam.query(reader, before=""))
    except Unexpected:
        return False
    return page.results == mam.PAGE


async def _http_page(connection: HttpConnection, token: str) -> bool:
    path = f"/api/v1/archives/{READER}@{HOST}/messages?order=desc&limit={mam.PAGE}"
    answer = await connection.ask(request("GET", path, address=READER_ADDRESS, token=token))
    return status(answer) == 200


def _users() -> list[str]:
    return [FLOODER, PEER, READER, *(f"user{number}" for number in range(2 * PAIRS))]


async def _fill(folder: Path) -> dict[str, str]:
    """Write the archives, and return access tokens by user."""
    database = folder / DATABASE
    await muniment.fill(database, {FLOODER: SIZE, READER: READER_SIZE})
    verifier = verifiers.make(verifiers.ARGON2ID, PASSWORD)
    async with open_storage(f"sqlite:{database}", synchronous="off") as storage:
        for user in _users():
            account = StoredAccount(jid=f"{user}@{HOST}", verifier=verifier, created=0)
            await storage.accounts.add(account)
    return await sign_in(database, token_key.load(folder / _KEY), [FLOODER, READER])


@asynccontextmanager
async def _with_muniment(
    filled: Path, tokens: Mapping[str, str], folder: Path
) -> AsyncIterator[_Servers]:
    """Start ejabberd and Muniment with a copy of the archives."""
    shutil.copytree(filled, folder, dirs_exist_ok=True)
    key = folder / _KEY
    accepting = {"auth_method: internal": f'auth_method: [internal, jwt]\njwt_key: "{key}"'}
    with BenchmarkedEjabberd(folder, changes=accepting, is_shaped=True) as ejabberd:
        _register(ejabberd)
        port = free_port()
        options: dict[str, dict[str, object]] = {
            "log": {"level": "warning"},
            "tokens": {"key_file": str(key)},
            # Muniment itself checks passwords: their hashes are slow.
            "accounts": {"source": "store"},
            "public_http": {"enabled": True, "port": port, "trusted_proxies": [LOOPBACK]},
            "sessions": {"address": LOOPBACK, "port": ejabberd.ports.c2s},
        }
        with Muniment(folder, ejabberd, options=options) as archive:
            yield _Servers(
                c2s_port=ejabberd.ports.c2s,
                http_port=port,
                pids={"ejabberd": ejabberd.pid, "muniment": archive.pid},
                tokens=tokens,
                archived=partial(_archived, folder / DATABASE),
            )


@asynccontextmanager
async def _without_muniment(folder: Path) -> AsyncIterator[_Servers]:
    """Start ejabberd and the constant page."""
    with (
        BenchmarkedEjabberd(folder, is_shaped=True) as ejabberd,
        Constant(folder, ejabberd) as component,
    ):
        _register(ejabberd)
        yield _Servers(
            c2s_port=ejabberd.ports.c2s,
            http_port=0,
            pids={"ejabberd": ejabberd.pid, "component": component.pid},
            tokens={},
            archived=None,
        )


def _register(ejabberd: BenchmarkedEjabberd) -> None:
    ejabberd.register(*(Account(user, HOST, PASSWORD) for user in _users()))


def _archived(database: Path) -> int:
    # Read beside Muniment: asked itself it would answer when it has read what came before.
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (count,) = connection.execute(_ARCHIVED).fetchone()
    return int(count)
