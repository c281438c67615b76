"""A URL with several servers, and servers that fall silent without closing connections."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from support.builders import ALICE, entry, everything
from support.ports import LOOPBACK, free_port
from support.postgres import Postgres

from storage.errors import StorageError, Unavailable
from storage.interface import Archive
from storage.open import open_storage
from storage.postgres.engine.connection import PostgresConnection
from storage.postgres.engine.database import PostgresDatabase
from storage.postgres.options import PostgresOptions
from storage.rows import Filter, Page

#: A server that is silent for half a second is given up.
IMPATIENT = PostgresOptions(connect=0.5, answer=0.5)

#: By when a call on a silent server has failed; the machine may be slow.
BOUND_SECONDS = 10.0


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """A server that accepts connections, and says nothing; return its host and port."""
    ended = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, LOOPBACK, 0)
    async with server:
        yield f"{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
        ended.set()


def beside(url: str, *others: str) -> str:
    """Return a URL with other servers before the one that it has."""
    return url.replace("@", f"@{','.join(others)},", 1)


def names(page: Page) -> list[str]:
    """Return the bodies of the messages on a page."""
    return [re.sub("<[^>]*>", "", message.xml) for message in page.messages]


async def test_silent_and_missing_servers_before_the_right_one_delay_no_connection(
    postgres_url: str,
) -> None:
    async with silent_server() as silent:
        url = beside(postgres_url, silent, f"{LOOPBACK}:{free_port()}")
        began = time.monotonic()
        async with open_storage(url, options=PostgresOptions(connect=60)) as storage:
            await storage.archive.append([entry("m1")])
            page = await everything(storage.archive)
        assert time.monotonic() - began < 30
    assert names(page) == ["m1"]


async def test_error_names_each_server_and_what_is_wrong_with_it(
    postgres: Postgres, postgres_url: str
) -> None:
    port = free_port()
    standby = postgres.create("read_only_server")
    postgres.sql(
        b"ALTER DATABASE read_only_server SET default_transaction_read_only = on",
        database="postgres",
    )
    async with silent_server() as silent:
        url = beside(standby, silent, f"{LOOPBACK}:{port}")
        with pytest.raises(Unavailable, match="no server takes writes") as caught:
            async with open_storage(url, options=IMPATIENT):
                pass

    message = str(caught.value)
    assert f"{silent}: no answer" in message
    assert f"{LOOPBACK}:{port}: [Errno 111]" in message
    assert f"{LOOPBACK}:{postgres.port}: None of the hosts match" in message
    assert "@" not in message


async def test_unknown_demand_on_servers_is_refused(postgres_url: str) -> None:
    with pytest.raises(StorageError, match="target_session_attrs has to be one of any, primary"):
        async with open_storage(f"{postgres_url}&target_session_attrs=leader"):
            pass


async def test_calls_on_a_frozen_server_fail_within_seconds_and_nothing_is_written_twice(
    postgres: Postgres, postgres_url: str
) -> None:
    # Only the first connection may take long.
    options = replace(IMPATIENT, connect=60.0)
    async with open_storage(postgres_url, options=options) as storage:
        await storage.archive.append([entry("before")])
        await everything(storage.archive)
        await asyncio.to_thread(postgres.pause)
        try:
            calls = (
                storage.archive.append([entry("during")]),
                # More than there are connections.
                *(storage.archive.page(ALICE, Filter(), limit=5) for _ in range(10)),
                storage.preferences.get(ALICE),
            )
            async with asyncio.timeout(BOUND_SECONDS):
                results = await asyncio.gather(*calls, return_exceptions=True)
                # There is no connection left, and nobody waits for a new one.
                for _ in range(100):
                    with pytest.raises(StorageError):
                        await storage.archive.page(ALICE, Filter(), limit=5)
        finally:
            postgres.resume()
        assert [type(result) for result in results] == [Unavailable] * len(calls)

        async with asyncio.timeout(BOUND_SECONDS):
            await _append(storage.archive, "during")
        assert names(await everything(storage.archive)) == ["before", "during"]


async def test_reads_after_a_failover_have_new_connections(postgres_url: str) -> None:
    database = await PostgresDatabase.open(postgres_url, IMPATIENT)
    try:
        old = await _process(database)
        assert await _process(database) == old
        async with database.write() as writer:
            assert isinstance(writer, PostgresConnection)
            driver = writer.driver
        driver.terminate()
        for _ in range(100):
            try:
                async with database.write():
                    break
            except Unavailable:
                await asyncio.sleep(0.1)
        assert await _process(database) != old
    finally:
        await database.close()


async def test_slow_statement_of_a_server_that_answers_is_not_given_up(postgres_url: str) -> None:
    options = PostgresOptions(answer=0.2)
    database = await PostgresDatabase.open(postgres_url, options)
    try:
        async with database.write() as writer:
            await writer.execute("SELECT pg_sleep(1)")
    finally:
        await database.close()


async def _process(database: PostgresDatabase) -> int:
    async with database.read() as connection:
        [[process]] = await connection.fetch("SELECT pg_backend_pid()")
    return int(process)


async def _append(archive: Archive, name: str) -> None:
    while True:
        try:
            await archive.append([entry(name)])
        except Unavailable:
            await asyncio.sleep(0.1)
        else:
            return
