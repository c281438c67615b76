"""The live stream: each message once and in order, over reconnections."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession
from support.builders import ALICE, BOB, ROMEO, ROOM, delete_all_but, entry
from support.event_stream import Events, stream
from support.http_services import SECRET_HEADERS, SETTINGS
from support.wire import until

from component.core.access.principals import Operator, Role
from component.web.app import serve
from component.web.server.settings import Services
from storage.rows import Kind

PATH = f"/api/v1/archives/{ALICE}/stream"
SHORT = 0.05
PATIENCE = 30.0

Follow = Callable[..., AbstractAsyncContextManager[Events]]


@asynccontextmanager
async def served(services: Services, **options: Any) -> AsyncIterator[ClientSession]:
    async with (
        serve(replace(SETTINGS, **options), services) as url,
        ClientSession(url, headers=SECRET_HEADERS) as http,
    ):
        yield http


@pytest.fixture
async def http(services: Services) -> AsyncIterator[ClientSession]:
    async with served(services) as session:
        yield session


async def stream_status(http: ClientSession) -> int:
    async with http.get(PATH) as answer:
        return answer.status


async def test_message_is_sent_at_once(http: ClientSession, services: Services) -> None:
    async with stream(http, PATH) as events:
        await services.writer.store([entry("hello")])
        event = await events.next()

    async with http.get(f"/api/v1/archives/{ALICE}/messages") as answer:
        [stored] = (await answer.json())["messages"]
    assert event == stored
    assert events.last_id == stored["id"]
    assert events.retry is not None


async def test_stream_begins_with_the_next_message(
    http: ClientSession, services: Services
) -> None:
    await services.writer.store([entry(n) for n in range(3)])
    async with stream(http, PATH) as events:
        await services.writer.store([entry(3)])

        assert await events.take(1) == ["3"]


async def test_stream_has_no_messages_of_other_archives(
    http: ClientSession, services: Services
) -> None:
    async with stream(http, PATH) as events:
        await services.writer.store([entry("his", owner=BOB)])
        await services.writer.store([entry("mine")])

        assert await events.take(1) == ["mine"]


async def test_follower_misses_and_repeats_no_message(
    http: ClientSession, services: Services
) -> None:
    """The followers disconnect after some messages and continue after the last one."""
    total = 400
    bodies = [str(n) for n in range(total)]

    async def put_all() -> None:
        for n in range(total):
            services.writer.put([entry(n)])
            if n % 7 == 0:
                await services.writer.wait_durable()

    async def follow(messages_per_connection: int) -> list[str]:
        received: list[str] = []
        last_id = "start"
        while len(received) < total:
            async with stream(http, PATH, last_id=last_id) as events:
                received += await events.take(min(messages_per_connection, total - len(received)))
                last_id = events.last_id
        return received

    put_task = asyncio.create_task(put_all())
    followed = await asyncio.gather(follow(total), follow(61), follow(13))
    await put_task

    assert followed == [bodies, bodies, bodies]


async def test_client_reconnects_after_every_event(
    http: ClientSession, services: Services
) -> None:
    await services.writer.store([entry(n) for n in range(12)])
    async with stream(http, PATH, query={"after": "start"}) as events:
        ids = [(await events.next())["id"] for _ in range(12)]

    for parameters, last_id in enumerate(ids[:-1]):
        async with stream(http, PATH, last_id=last_id) as events:
            assert (await events.next())["id"] == ids[parameters + 1]


async def test_last_event_id_overrides_the_query(http: ClientSession, services: Services) -> None:
    await services.writer.store([entry(n) for n in range(3)])
    async with stream(http, PATH, query={"after": "start"}) as events:
        await events.take(2)
        last_id = events.last_id

    async with stream(http, PATH, last_id=last_id, query={"after": "start"}) as events:
        assert await events.take(1) == ["2"]


async def test_client_without_events_reconnects_without_a_gap(
    http: ClientSession, services: Services
) -> None:
    for first in ("0", "1"):
        async with stream(http, PATH) as events:
            last_id = events.last_id
        await services.writer.store([entry(first)])

        async with stream(http, PATH, last_id=last_id) as events:
            assert await events.take(1) == [first]


async def test_deleted_message_does_not_end_the_stream(
    http: ClientSession, services: Services
) -> None:
    await services.writer.store([entry(0)])
    async with stream(http, PATH) as events:
        for n in (1, 2):
            await services.writer.store([entry(n)])
            assert await events.take(1) == [str(n)]
        await delete_all_but(services.storage, 0)
        await services.writer.store([entry(3)])

        assert await events.take(1) == ["3"]


async def test_client_reconnects_after_a_deleted_message(
    http: ClientSession, services: Services
) -> None:
    await services.writer.store([entry(n) for n in range(3)])
    async with stream(http, PATH, query={"after": "start"}) as events:
        assert await events.take(2) == ["0", "1"]
        last_id = events.last_id
    await delete_all_but(services.storage, 1)

    async with stream(http, PATH, last_id=last_id) as events:
        assert await events.take(1) == ["2"]


@pytest.mark.parametrize(
    ("query", "bodies"),
    [
        ({"with": BOB}, ["1", "4"]),
        ({"with": f"{ROMEO}/phone"}, ["0"]),
        ({"groupchat": "true"}, ["2"]),
        ({"groupchat": "false"}, ["0", "1", "3", "4"]),
        ({"kind": "receipt,annotation"}, ["3"]),
    ],
)
async def test_messages_outside_of_the_filter_are_left_out(
    http: ClientSession, services: Services, query: dict[str, str], bodies: list[str]
) -> None:
    async with stream(http, PATH, query=query) as events:
        await services.writer.store(
            [
                entry(0, peer=ROMEO),
                entry(1),
                entry(2, peer=ROOM, type="groupchat"),
                entry(3, peer=ROMEO, kind=Kind.RECEIPT, resource="pda"),
                entry(4),
            ]
        )

        assert await events.take(len(bodies)) == bodies


async def test_xml_is_left_out_on_request(http: ClientSession, services: Services) -> None:
    async with stream(http, PATH, query={"xml": "false"}) as events:
        await services.writer.store([entry("hi")])

        assert "xml" not in await events.next()


async def test_heartbeat_has_the_id_of_the_last_message_read(services: Services) -> None:
    async with served(services, stream_heartbeat_seconds=SHORT) as http:
        async with stream(http, PATH, query={"with": BOB}) as events:
            await services.writer.store([entry("unwanted", peer=ROMEO)])
            while events.last_id == "start":
                assert await events.block() == ""
            assert events.comments
            last_id = events.last_id

        async with stream(http, PATH, last_id=last_id) as events:
            await services.writer.store([entry("next")])
            assert await events.take(1) == ["next"]


async def test_stream_outlives_the_request_timeout(services: Services) -> None:
    async with (
        served(services, request_timeout_seconds=SHORT, stream_heartbeat_seconds=SHORT) as http,
        stream(http, PATH) as events,
    ):
        while events.comments < 5:
            await events.block()
        await services.writer.store([entry("late")])

        assert await events.take(1) == ["late"]


@pytest.mark.parametrize("parameters", [{"after": "unknown"}, {"after": ""}, {"view": "folded"}])
async def test_invalid_parameter_is_refused_before_the_stream(
    http: ClientSession, parameters: dict[str, str]
) -> None:
    async with http.get(PATH, params=parameters) as answer:
        assert answer.status == (404 if "unknown" in parameters.values() else 400)
        assert (await answer.json())["status"] == answer.status


async def test_unknown_last_event_id_is_404(http: ClientSession) -> None:
    async with http.get(PATH, headers={"Last-Event-ID": "unknown"}) as answer:
        assert answer.status == 404


async def test_head_of_a_stream_is_405(http: ClientSession) -> None:
    async with http.head(PATH) as answer:
        assert answer.status == 405


async def test_stream_over_the_limit_is_503_until_another_ends(services: Services) -> None:
    async with served(services, max_streams=2) as http:
        async with stream(http, PATH), stream(http, PATH), http.get(PATH) as answer:
            assert answer.status == 503
            assert (await answer.json())["error"] == "resource-constraint"
        async with asyncio.timeout(PATIENCE):
            while await stream_status(http) != 200:  # noqa: ASYNC110 - only a request shows it
                await asyncio.sleep(SHORT)


async def test_stream_over_the_limit_of_a_caller_is_429(services: Services) -> None:
    """Exports count as streams."""
    reader = Operator(name="reader", role=Role.READER, secret="r")
    shares = {"max_streams": 3, "max_streams_per_caller": 2, "operators": (reader,)}
    export = PATH.replace("stream", "export")
    async with served(services, **shares) as http, stream(http, PATH), stream(http, PATH):
        for path in (PATH, export):
            async with http.get(path) as answer:
                assert answer.status == 429
                assert (await answer.json())["error"] == "resource-constraint"
        async with http.get(PATH, headers={"X-Api-Key": "r"}) as answer:
            assert answer.status == 200
            async with http.get(export, headers={"X-Api-Key": "r"}) as refused:
                assert refused.status == 503


async def test_finished_export_frees_its_place(services: Services) -> None:
    async with served(services, max_streams=1) as http:
        for _ in range(2):
            async with http.get(PATH.replace("stream", "export")) as answer:
                assert answer.status == 200
                await answer.read()


async def test_stream_is_audited(http: ClientSession, services: Services) -> None:
    async with stream(http, PATH, query={"with": BOB}):
        [audit_entry] = await services.storage.audit_log.entries(limit=10)

    assert (audit_entry.actor, audit_entry.action, audit_entry.subject) == (
        "server",
        "stream",
        ALICE,
    )
    assert audit_entry.detail == f"with {BOB}"


async def test_stopping_program_ends_all_streams(services: Services) -> None:
    """The last chunk is sent at once, without waiting for the timeout of requests."""
    async with AsyncExitStack() as followers:
        async with serve(replace(SETTINGS, stop_timeout_seconds=3600.0), services) as url:
            http = await followers.enter_async_context(ClientSession(url, headers=SECRET_HEADERS))
            following = [await followers.enter_async_context(stream(http, PATH)) for _ in range(3)]
        for events in following:
            with pytest.raises(EOFError):
                await events.next()


async def test_client_that_reads_nothing_is_disconnected(
    services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    settings = replace(SETTINGS, request_timeout_seconds=1.0)
    async with serve(settings, services) as url:
        address = urlsplit(url)
        with socket.socket() as follower:
            follower.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            follower.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(follower, (address.hostname, address.port))
            head = f"GET {PATH} HTTP/1.1\r\nHost: x\r\nX-Api-Key: s3cret\r\n\r\n"
            await loop.sock_sendall(follower, head.encode())
            assert b"200 OK" in await loop.sock_recv(follower, 100)

            much = f"<message xmlns='jabber:client'><body>{'x' * 200_000}</body></message>"
            await services.writer.store([entry(n, xml=much) for n in range(40)])
            await until(lambda: "does not read its stream" in caplog.text)
            async with asyncio.timeout(PATIENCE):
                with suppress(ConnectionResetError):
                    while await loop.sock_recv(follower, 65536):
                        pass
