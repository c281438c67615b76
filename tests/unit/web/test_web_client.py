"""The HTTP client that asks the running program."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from support.http_services import HOST, SECRET, SETTINGS, post
from support.ports import LOOPBACK, free_port

from component.clients.muniment_http import Answer, Client, ClientSettings, NotRunning
from component.web.app import serve
from component.web.server.settings import Services

WHERE = ClientSettings(
    address=LOOPBACK, port=0, secret=SECRET, prefix=SETTINGS.prefix, timeout_seconds=10
)


def at(url: str) -> ClientSettings:
    """Return the options of a client for this server."""
    return replace(WHERE, port=int(url.rpartition(":")[2]))


async def test_method_body_and_answer_arrive(services: Services) -> None:
    async with serve(SETTINGS, services) as url, Client(at(url)) as client:
        stored = await client.ask("POST", HOST, "archive", data=post())
        answer = await client.ask("GET", "archive", query={"username": "alice", "limit": "0"})

    assert stored == Answer(status=200, data=None)
    assert stored.is_good
    assert answer.data == {"archive": [], "count": 1, "complete": False}


async def test_special_characters_of_paths_and_queries_arrive(services: Services) -> None:
    owner = r"a%2fb?c#d=e+\40ü@example.org"
    async with serve(SETTINGS, services) as url, Client(at(url)) as client:
        answer = await client.ask("GET", "v1", "archives", owner)
        refused = await client.ask("GET", "archive", query={"username": "a", "limit": "+&% ü"})

    assert answer.data["owner"] == owner
    assert "limit" in refused.message


async def test_unix_socket_is_asked(services: Services, tmp_path: Path) -> None:
    address = f"unix:{tmp_path / 'muniment.sock'}"
    async with (
        serve(replace(SETTINGS, address=address), services),
        Client(replace(WHERE, address=address)) as client,
    ):
        answer = await client.ask("GET", "archive", query={"username": "alice"})

    assert answer.status == 200


async def test_client_without_secret_sends_no_secret(services: Services) -> None:
    trusting = replace(SETTINGS, secret=None, trusts_network=True)
    async with (
        serve(trusting, services) as url,
        Client(replace(at(url), secret=None)) as client,
    ):
        answer = await client.ask("GET", "archive", query={"username": "alice"})

    assert answer.status == 200


async def test_refusal_has_the_message_of_the_server(services: Services) -> None:
    async with (
        serve(SETTINGS, services) as url,
        Client(replace(at(url), secret="another")) as client,
    ):
        answer = await client.ask("GET", "archive")

    assert not answer.is_good
    assert answer.message.startswith("The secret that was shown is not known here")


def test_answer_without_message_shows_its_status() -> None:
    assert Answer(status=502, data="<html>").message == "The answer is 502."


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("127.0.0.1", "127.0.0.1:5281"),
        ("0.0.0.0", "127.0.0.1:5281"),  # noqa: S104 - nobody is bound to it
        ("::", "[::1]:5281"),
        ("2001:db8::1", "[2001:db8::1]:5281"),
        ("archive.example", "archive.example:5281"),
        ("unix:/run/muniment.sock", "unix:/run/muniment.sock"),
    ],
)
async def test_server_on_every_address_is_asked_on_loopback(address: str, place: str) -> None:
    async with Client(replace(WHERE, address=address, port=5281)) as client:
        assert client.place == place


async def test_closed_port_is_reported_without_the_request() -> None:
    where = replace(WHERE, port=free_port())
    async with Client(where) as client:
        with pytest.raises(NotRunning) as raised:
            await client.ask("GET", "auth", query={"password": "pencil"})

    assert str(raised.value) == (
        f"Muniment does not answer at {LOOPBACK}:{where.port}: Connection refused."
    )
    assert raised.value.__context__ is None


@pytest.mark.parametrize(
    ("response", "reason"),
    [(None, "no answer in time"), (b"SSH-2.0\r\n", "no answer (ClientResponseError)")],
)
async def test_answer_of_another_program_is_refused(response: bytes | None, reason: str) -> None:
    client_closed = asyncio.Event()

    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response or b"")
        await reader.read()
        writer.close()
        client_closed.set()

    server = await asyncio.start_server(stranger, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Client(replace(WHERE, port=port, timeout_seconds=0.5)) as client:
        with pytest.raises(NotRunning) as raised:
            await client.ask("GET", "auth", query={"password": "pencil"})
        await client.close()
        await client_closed.wait()

    assert str(raised.value) == f"Muniment does not answer at {LOOPBACK}:{port}: {reason}."


def test_repr_hides_secret_and_answer() -> None:
    answer = Answer(status=200, data={"password": "pencil"})

    assert SECRET not in repr(WHERE)
    assert "pencil" not in repr(answer)
