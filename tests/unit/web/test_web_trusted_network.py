"""On a trusted network programs are the server without a secret; browsers are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, UnixConnector
from support.http_services import SECRET, SECRET_HEADERS, SETTINGS

from component.web.app import serve
from component.web.server.settings import Services

ARCHIVE = "/api/archive?username=alice"
ARCHIVES = "/api/v1/archives/alice@example.org/messages"
TRUSTING = replace(SETTINGS, secret=None, trusts_network=True)

#: The headers of ejabberd's Remote Data calls, and of curl.
EJABBERD = {"Accept": "application/json", "User-Agent": "ejabberd", "Connection": "keep-alive"}
CURL = {"Accept": "*/*", "User-Agent": "curl/7.88.1"}

#: The headers of a desktop browser of 2024 that loads an image from another site without referrer.
MOZILLA = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0"
IMAGE = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


@asynccontextmanager
async def trusted_client(services: Services, **options: Any) -> AsyncIterator[ClientSession]:
    async with serve(replace(TRUSTING, **options), services) as url, ClientSession(url) as http:
        yield http


async def status(http: ClientSession, headers: dict[str, str], path: str = ARCHIVE) -> int:
    async with http.get(path, headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("headers", [EJABBERD, CURL, {}])
async def test_program_on_a_trusted_network_needs_no_secret(
    services: Services, headers: dict[str, str]
) -> None:
    async with trusted_client(services) as http:
        assert await status(http, headers) == 200
        assert await status(http, headers, ARCHIVES) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-CH-UA": '"Chromium";v="120"'},
        {"Sec-GPC": "1"},
        {"Referer": "http://evil.example/page"},
        {"Cookie": "a=b"},
        {"Upgrade-Insecure-Requests": "1"},
        {"Accept-Language": "en"},
        {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"},
        {"Accept": IMAGE},
        {"Accept": "TEXT/HTML"},
        {"Accept": "video/webm,video/ogg,video/*;q=0.9"},
        {"User-Agent": MOZILLA},
        {"User-Agent": "Opera/9.80 (X11; Linux x86_64) Presto/2.12.388 Version/12.16"},
        {"Access-Control-Request-Private-Network": "true"},
        {"DNT": "1"},
        {"Purpose": "prefetch"},
        {"Service-Worker": "script"},
    ],
    ids=lambda headers: " ".join(headers)[:30],
)
async def test_request_with_a_browser_header_is_401(
    services: Services, headers: dict[str, str]
) -> None:
    async with trusted_client(services, secret=SECRET) as http:
        for path in (ARCHIVE, ARCHIVES):
            async with http.get(path, headers=EJABBERD | headers) as answer:
                assert answer.status == 401
                assert f"({next(iter(headers)).lower()})" in (await answer.text()).lower()
        assert await status(http, headers | SECRET_HEADERS) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:5281",
        "localhost.evil.example",
        "evil.example@localhost",
        "127.0.0.1.evil.example",
        "192.0.2.1:5281",
        "[::2]:5281",
        "127.0.0.1:evil",
        "localhost:\u0663",
        "localhost..",
        "localhost,evil.example",
        "localhost/evil.example",
        "::1",
        "[::1%25lo]",
        "127.1",
        "",
    ],
)
async def test_request_with_a_foreign_host_is_421(services: Services, host: str) -> None:
    """DNS rebinding: only the Host header tells such a browser from a program."""
    async with (
        trusted_client(services, secret=SECRET) as http,
        http.get(ARCHIVE, headers=EJABBERD | {"Host": host}) as answer,
    ):
        assert answer.status == 421
        assert (await answer.json())["error"] == "not-allowed"
        assert await status(http, {"Host": host} | SECRET_HEADERS) == 200


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:5281", "localhost.", "127.0.0.1:1", "[::1]:5281", "[0:0:0:0::1]"],
)
async def test_loopback_names_are_accepted_as_host(services: Services, host: str) -> None:
    async with trusted_client(services) as http:
        assert await status(http, {"Host": host}) == 200


async def test_configured_hosts_are_accepted_as_host(services: Services) -> None:
    async with trusted_client(
        services, hosts=("Archive.internal", "192.0.2.1", "2001:DB8::1")
    ) as http:
        for host in ("archive.INTERNAL:80", "192.0.2.1", "[2001:db8:0::1]:5281"):
            assert await status(http, {"Host": host}) == 200
        assert await status(http, {"Host": "other.internal"}) == 421


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (f"GET {ARCHIVE} HTTP/1.0", 421),
        (f"GET {ARCHIVE} HTTP/1.1", 400),
        (f"GET {ARCHIVE} HTTP/1.0\r\nHost: localhost", 200),
        (f"GET {ARCHIVE} HTTP/1.1\r\nHost: localhost\r\nHost: localhost", 400),
        (f"GET {ARCHIVE} HTTP/1.1\r\nHost: localhost\r\nhost: evil.example", 400),
        (f"GET http://localhost:1{ARCHIVE} HTTP/1.1\r\nHost: localhost", 200),
        (f"GET http://LOCALHOST{ARCHIVE} HTTP/1.1\r\nHost: evil.example", 421),
        (f"GET http://evil.example{ARCHIVE} HTTP/1.1\r\nHost: localhost", 421),
        (f"GET https://evil.example{ARCHIVE} HTTP/1.0\r\nHost: localhost", 421),
        (f"GET http://localhost@evil.example{ARCHIVE} HTTP/1.1\r\nHost: localhost", 421),
        (f"GET http://localhost{ARCHIVE} HTTP/1.0", 421),
        (f"GET //evil.example{ARCHIVE} HTTP/1.1\r\nHost: localhost", 404),
    ],
)
async def test_host_in_the_request_line_or_header_decides(
    services: Services, head: str, expected: int
) -> None:
    async with serve(TRUSTING, services) as url:
        place = urlsplit(url)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(f"{head}\r\nConnection: close\r\n\r\n".encode())
        received = await reader.read()
        writer.close()

    assert int(received.split()[1]) == expected


async def test_local_address_of_the_connection_is_accepted_as_host(services: Services) -> None:
    settings = replace(TRUSTING, address="0.0.0.0")  # noqa: S104 - allow_from limits the callers
    async with serve(settings, services) as url, ClientSession(url) as http:
        async with http.get(f"http://127.0.0.2:{urlsplit(url).port}{ARCHIVE}") as answer:
            assert answer.status == 200
        assert await status(http, {"Host": "127.0.0.2"}) == 421


async def test_localhost_is_accepted_as_host_on_a_unix_socket(
    services: Services, tmp_path: Path
) -> None:
    path = tmp_path / "muniment.sock"
    async with (
        serve(replace(TRUSTING, address=f"unix:{path}"), services),
        ClientSession("http://localhost", connector=UnixConnector(str(path))) as http,
    ):
        assert await status(http, CURL) == 200
        assert await status(http, {"Host": "evil.example"}) == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Api-Key": "wrong"},
        {"X-Api-Key": ""},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic wrong"},
    ],
)
async def test_wrong_secret_is_401_on_a_trusted_network(
    services: Services, headers: dict[str, str]
) -> None:
    """A caller with a wrong secret is not taken for the server."""
    for secret in (SECRET, None):
        async with trusted_client(services, secret=secret) as http:
            assert await status(http, headers) == 401
