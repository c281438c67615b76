"""Thousands of live streams are open under load."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector
from support.event_stream import stream
from support.muniment import Options
from support.remote_data import incoming, path
from support.server import Server

from torture.load import DEADLINE, load

STREAMS = 2_000
OPTIONS: Options = {
    "http": {
        "max_connections": 2 * STREAMS,
        "max_connections_per_address": 2 * STREAMS,
        "max_streams": STREAMS,
        "max_streams_per_caller": 2 * STREAMS,
    }
}


@pytest.mark.parametrize("own_server", [OPTIONS], indirect=True)
async def test_two_thousand_streams_have_each_message_once_under_load(
    own_server: Server,
) -> None:
    muniment = own_server.muniment
    dave = own_server.account("dave")
    url = f"/api/v1/archives/{dave.jid}/stream"
    texts = [f"text {n}" for n in range(3)]
    async with load(own_server, programs=1) as running, AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            ClientSession(
                muniment.url,
                headers={"X-Api-Key": muniment.secret},
                connector=TCPConnector(limit=0),
                timeout=ClientTimeout(total=None),
            )
        )
        streams = [
            await stack.enter_async_context(stream(http, url, query={"after": "start"}))
            for _ in range(STREAMS)
        ]
        async with http.get(url, params={"after": "start"}) as response:
            assert response.status == 503, "one too many"
        for text in texts:
            message = incoming(dave, text)
            async with http.post(path(muniment, dave), json=message) as response:
                assert response.status == 200
        async with asyncio.timeout(DEADLINE):
            taken = await asyncio.gather(*(events.take(len(texts)) for events in streams))
        await running.goes_on(posts=10, messages=10)

    assert taken == [texts] * STREAMS
