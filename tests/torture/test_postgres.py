"""PostgreSQL is killed, frozen, slow and away, and its connections are cut, under load."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NoReturn

import pytest
from support.muniment import Muniment
from support.pool import lent_ejabberd
from support.postgres import FAST, Postgres
from support.releases import Release
from support.server import Server
from support.stores import running_postgres

from torture.load import is_not_ready, is_ready, load
from torture.proxy import Proxy

#: What survives a crash of the database, as an operator has it.
DURABLE = {**FAST, "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}

#: Seconds without the database.
AWAY = 10.0


@pytest.fixture
def postgres(missing: Callable[[object], NoReturn]) -> Iterator[Postgres]:
    """A PostgreSQL for one test, which may kill it."""
    with running_postgres(missing, DURABLE) as server:
        yield server


@asynccontextmanager
async def behind_proxy(
    folder: Path, release: Release, postgres: Postgres
) -> AsyncIterator[tuple[Server, Proxy]]:
    """Run a server whose connections between Muniment and PostgreSQL go through a proxy."""
    with lent_ejabberd(folder / "ejabberd", release) as ejabberd:
        async with Proxy(postgres.port) as proxy:
            url = postgres.create("muniment").replace(f":{postgres.port}/", f":{proxy.port}/")
            storage = {"url": url, "spill": str(folder / "spill"), "statement_seconds": 5.0}
            muniment = Muniment(folder / "muniment", ejabberd, options={"storage": storage})
            # It would wait for the proxy, which runs in this thread.
            await asyncio.to_thread(muniment.start)
            try:
                yield Server(ejabberd, muniment), proxy
            finally:
                await asyncio.to_thread(muniment.stop)


async def test_killed_database_has_what_was_acknowledged(
    tmp_path: Path, release: Release, postgres: Postgres
) -> None:
    async with (
        behind_proxy(tmp_path, release, postgres) as (server, _),
        load(server) as running,
    ):
        for _ in range(3):
            for process in (*children(postgres.pid), postgres.pid):
                # One that is not of a connection may have ended with the others.
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            await asyncio.to_thread(postgres.wait)
            await is_not_ready(server.muniment)
            await asyncio.to_thread(postgres.start)
            await is_ready(server.muniment)
            await running.goes_on(posts=10, messages=10)


async def test_database_that_is_away_delays_messages_and_loses_none(
    tmp_path: Path, release: Release, postgres: Postgres
) -> None:
    async with (
        behind_proxy(tmp_path, release, postgres) as (server, _),
        load(server) as running,
    ):
        await asyncio.to_thread(postgres.stop)
        await running.is_refused(503)
        await is_not_ready(server.muniment)
        await asyncio.sleep(AWAY)
        await asyncio.to_thread(postgres.start)
        await is_ready(server.muniment)
        await running.goes_on(posts=10)


async def test_frozen_database_delays_messages_and_loses_none(
    tmp_path: Path, release: Release, postgres: Postgres
) -> None:
    async with (
        behind_proxy(tmp_path, release, postgres) as (server, _),
        load(server) as running,
    ):
        frozen = (postgres.pid, *children(postgres.pid))
        for process in frozen:
            os.kill(process, signal.SIGSTOP)
        try:
            await is_not_ready(server.muniment)
            await asyncio.sleep(AWAY)
        finally:
            for process in frozen:
                os.kill(process, signal.SIGCONT)
        await is_ready(server.muniment)
        await running.goes_on(posts=10, messages=10)


async def test_slow_database_delays_messages_and_loses_none(
    tmp_path: Path, release: Release, postgres: Postgres
) -> None:
    async with (
        behind_proxy(tmp_path, release, postgres) as (server, proxy),
        load(server) as running,
    ):
        proxy.delay = 1.0
        await asyncio.sleep(AWAY)
        await running.goes_on(messages=10)
        proxy.delay = 0.0
        await is_ready(server.muniment)
        await running.goes_on(posts=10)


async def test_connections_that_are_cut_lose_and_repeat_nothing(
    tmp_path: Path, release: Release, postgres: Postgres
) -> None:
    async with (
        behind_proxy(tmp_path, release, postgres) as (server, proxy),
        load(server) as running,
    ):
        for _ in range(10):
            proxy.cut()
            await running.goes_on(posts=3, messages=5)


def children(pid: int) -> list[int]:
    """Return the ids of the child processes of a process."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]
