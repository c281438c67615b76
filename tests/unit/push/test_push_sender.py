"""The sender: the outcome of each answer and of each failure, without the address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from ipaddress import ip_network

import pytest
from support.builders import ALICE
from support.ports import LOOPBACK, free_port
from support.push import Receiver

from component.clients.vetted_addresses import VettedAddresses
from component.core.push.values import Outcome
from component.push.sender import HttpSender, open_sender
from storage.rows import PushKind, PushSubscription

NOW = 1_000_000_000.0


def subscription(url: str, kind: PushKind = PushKind.WEBHOOK) -> PushSubscription:
    return PushSubscription(
        id="s-1",
        jid=ALICE,
        sign_in="sign-in",
        kind=kind,
        endpoint=url,
        secret=b"secret",
        content="nothing",
        events=("message",),
        created_at=0,
        cursor="cursor",
    )


@asynccontextmanager
async def sender(*allowed: str, timeout_seconds: float = 5.0) -> AsyncIterator[HttpSender]:
    addresses = VettedAddresses([ip_network(network) for network in allowed])
    async with open_sender(addresses, None, timeout_seconds=timeout_seconds, parallel=2) as opened:
        yield opened
    await addresses.close()


async def send(url: str, **options: float) -> Outcome:
    async with sender("127.0.0.0/8", **options) as opened:
        return await opened.send(subscription(url), "id", b"{}")


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_success_is_accepted(receiver: Receiver, status: int) -> None:
    receiver.status = status

    assert await send(receiver.url) == Outcome()


@pytest.mark.parametrize("status", [301, 400, 404, 410, 429, 500])
async def test_other_status_of_a_webhook_is_a_failure(receiver: Receiver, status: int) -> None:
    receiver.status = status

    assert await send(receiver.url) == Outcome(failure=f"status {status}")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("9" * 400, 999_999_999.0),
        (formatdate(0, usegmt=True), 0.0),
        (f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT", 0.0),
        (f"Mon, 01 Jan 2024 00:00:00 +{'9' * 14}", 0.0),
    ],
)
async def test_receiver_asks_to_wait(receiver: Receiver, header: str, seconds: float) -> None:
    receiver.status = 503
    receiver.headers["Retry-After"] = header

    outcome = await send(receiver.url)

    assert outcome == Outcome(failure="status 503", retry_after=seconds)


async def test_silence_is_a_timeout(receiver: Receiver) -> None:
    receiver.gates["/"] = asyncio.Event()

    assert await send(receiver.url, timeout_seconds=0.2) == Outcome(failure="timeout")


async def test_no_server_is_no_connection() -> None:
    assert await send(f"http://{LOOPBACK}:{free_port()}/") == Outcome(failure="no connection")


async def test_server_without_tls_is_a_failure_of_tls(receiver: Receiver) -> None:
    url = receiver.url.replace("http:", "https:")

    assert await send(url) == Outcome(failure="TLS")


async def test_server_that_speaks_no_http_is_a_lost_connection() -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-server\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(talk, LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await send(f"http://{LOOPBACK}:{port}/")

    assert outcome == Outcome(failure="connection lost")


@pytest.mark.parametrize("host", [LOOPBACK, "localhost", "[::1]", "169.254.169.254", "10.0.0.1"])
async def test_address_that_is_not_public_is_refused(receiver: Receiver, host: str) -> None:
    port = receiver.url.rpartition(":")[2]
    async with sender() as opened:
        outcome = await opened.send(subscription(f"http://{host}:{port}/"), "id", b"{}")

    assert outcome == Outcome(failure="address refused")
    assert receiver.requests == []


async def test_web_push_without_a_key_is_a_failure(receiver: Receiver) -> None:
    async with sender("127.0.0.0/8") as opened:
        browser = subscription(receiver.url, PushKind.WEB_PUSH)

        assert (await opened.send(browser, "id", b"{}")).failure == "no Web Push here"


async def test_answers_set_no_cookies(receiver: Receiver) -> None:
    receiver.headers["Set-Cookie"] = "a=b"
    async with sender("127.0.0.0/8") as opened:
        for _ in range(2):
            await opened.send(subscription(receiver.url), "id", b"{}")

    assert not [request for request in receiver.requests if "Cookie" in request.headers]
