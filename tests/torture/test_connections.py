"""The connection to ejabberd is cut, held up and slow; ejabberd freezes; answers are lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession
from support import mam
from support.mam_payloads import archive_query
from support.muniment import Muniment, Options
from support.pool import lent_ejabberd
from support.ports import LOOPBACK
from support.releases import Release
from support.remote_data import incoming, path, session
from support.server import Server

from torture.load import DEADLINE, bodies, bodies_up_to, is_not_ready, is_ready, load
from torture.proxy import Proxy

QUICK_PING: Options = {
    "xmpp": {"ping_interval_seconds": 1, "ping_timeout_seconds": 2, "reconnect_max_seconds": 1}
}

#: Queries at once; more than wait are refused.
QUERIES = 1_000


@asynccontextmanager
async def behind_proxy(folder: Path, release: Release) -> AsyncIterator[tuple[Server, Proxy]]:
    """Run a server whose connection between ejabberd and Muniment goes through a proxy."""
    with lent_ejabberd(folder / "ejabberd", release) as ejabberd:
        async with Proxy(ejabberd.ports.component) as proxy:
            options = {"xmpp": {**QUICK_PING["xmpp"], "port": proxy.port}}
            muniment = Muniment(folder / "muniment", ejabberd, options=options)
            # It would wait for the proxy, which runs in this thread.
            await asyncio.to_thread(muniment.start)
            try:
                yield Server(ejabberd, muniment), proxy
            finally:
                await asyncio.to_thread(muniment.stop)


async def test_connection_that_is_cut_leaves_gaps_and_nothing_twice(
    tmp_path: Path, release: Release
) -> None:
    async with (
        behind_proxy(tmp_path, release) as (server, proxy),
        load(server, may_have_gaps=True) as running,
    ):
        for _ in range(5):
            before = proxy.connections
            proxy.cut()
            await running.goes_on(messages=20, posts=3)
            await is_ready(server.muniment)
            assert proxy.connections > before


async def test_connection_that_passes_nothing_on_is_noticed(
    tmp_path: Path, release: Release
) -> None:
    async with (
        behind_proxy(tmp_path, release) as (server, proxy),
        load(server, may_have_gaps=True) as running,
    ):
        proxy.hold()
        await is_not_ready(server.muniment)
        await running.goes_on(posts=3)
        # A new connection takes its place, and the old one is dead.
        proxy.cut()
        proxy.release()
        await is_ready(server.muniment)


async def test_slow_connection_delays_answers_and_loses_nothing(
    tmp_path: Path, release: Release
) -> None:
    async with (
        behind_proxy(tmp_path, release) as (server, proxy),
        load(server) as running,
    ):
        proxy.delay = 0.5
        await running.goes_on(messages=100, posts=3)
        page = await mam.query(running.recipient, max=50, before="")
        assert len(page.results) == 50
        proxy.delay = 0.0


@pytest.mark.parametrize("own_server", [QUICK_PING], indirect=True)
async def test_frozen_ejabberd_leaves_a_gap_and_nothing_twice(own_server: Server) -> None:
    async with load(own_server, may_have_gaps=True) as running:
        for _ in range(2):
            own_server.ejabberd.pause()
            await is_not_ready(own_server.muniment)
            # Posts need no ejabberd.
            await running.goes_on(posts=10)
            own_server.ejabberd.resume()
            await is_ready(own_server.muniment)
            await running.goes_on(messages=10)


async def test_lost_answers_to_posts_make_no_duplicates(own_server: Server) -> None:
    """A program repeats each post that was stored, and whose answer was lost."""
    muniment = own_server.muniment
    carol = own_server.account("carol")
    texts = [f"post {n}" for n in range(12)]
    async with Proxy(muniment.http_port) as proxy, session(muniment) as reader:
        for n, text in enumerate(texts):
            message = incoming(carol, text)
            url = f"http://{LOOPBACK}:{proxy.port}{path(muniment, carol)}"
            proxy.keeps_answers = True
            posting = asyncio.create_task(post(muniment, url, message))
            await bodies_up_to(text, reader, carol.jid)
            if n % 4 == 3:
                await asyncio.to_thread(muniment.kill)
                await asyncio.to_thread(muniment.start)
            proxy.cut()
            assert await posting == 0
            proxy.keeps_answers = False
            assert await post(muniment, url, message) == 200
        assert await bodies(reader, carol.jid) == texts


async def post(muniment: Muniment, url: str, message: dict[str, str]) -> int:
    """Post a message on a connection of its own; return the status, 0 if there is no answer."""
    async with ClientSession(headers={"X-Api-Key": muniment.secret}) as http:
        try:
            async with http.post(url, json=message) as response:
                return response.status
        except ClientError:
            return 0


async def test_thousand_queries_at_once_hold_up_nobody_else(own_server: Server) -> None:
    async with load(own_server) as running:
        await running.goes_on(messages=100)
        reader = running.recipient
        asking = [
            asyncio.create_task(reader.ask("set", archive_query(max=50), seconds=DEADLINE))
            for _ in range(QUERIES)
        ]
        await asyncio.sleep(0)
        page = await mam.query(running.sender, max=10)
        answers = await asyncio.gather(*asking, return_exceptions=True)
        refusals = {str(answer) for answer in answers if isinstance(answer, BaseException)}

    assert len(page.results) == 10
    assert len(answers) == QUERIES
    assert all("resource-constraint" in refusal for refusal in refusals), refusals
