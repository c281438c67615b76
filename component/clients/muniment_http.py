"""Client of Muniment's own HTTP API, for commands that ask the running program."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import orjson
from yarl import URL

from component.core.unix_sockets import UNIX


class NotRunning(Exception):
    """The program does not answer: it does not run, or it listens at another address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """The address of the running program, and the secret that authenticates to it."""

    address: str  #: as in http.address: host name, IP address or unix:PATH
    port: int
    secret: str | None = field(repr=False)
    prefix: str
    timeout_seconds: float  #: for a whole answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one request."""

    status: int
    data: Any = field(default=None, repr=False)  #: None if the body is empty or not JSON

    @property
    def is_good(self) -> bool:
        """Whether the request succeeded."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """The error message of the answer."""
        text = self.data.get("message") if isinstance(self.data, dict) else None
        return str(text) if text else f"The answer is {self.status}."


class Client(AbstractAsyncContextManager["Client"]):
    """A client of the running program; use it with `async with`."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        path = _socket(settings.address)
        self.place = settings.address if path else _authority(settings.address, settings.port)
        self._root = f"http://{'localhost' if path else self.place}"
        self._base = f"{self._root}{settings.prefix.rstrip('/')}"
        secret = settings.secret
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path) if path else aiohttp.TCPConnector(),
            headers={"Authorization": f"Bearer {secret}"} if secret else None,
            timeout=aiohttp.ClientTimeout(total=settings.timeout_seconds),
        )

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def health(self) -> dict[str, dict[str, Any]]:
        """Return the health of each part by name; each has at least `ok`. Raises NotRunning."""
        request = self._session.get(f"{self._root}/health/ready", allow_redirects=False)
        answer = await self._translated(self._read(request))
        try:
            parts = {str(name): dict(part) for name, part in answer.data["parts"].items()}
            return {name: {**part, "ok": bool(part["ok"])} for name, part in parts.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NotRunning(
                f"The program that answers at {self.place} is not Muniment."
            ) from error

    async def ask(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str] | None = None,
        data: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request to a path below the prefix; the parts of the path are not quoted yet.

        `data` is sent as JSON. Raises NotRunning, and UnicodeError if UTF-8 cannot carry the data.
        """
        typed = {} if data is None else {"Content-Type": "application/json"}
        request = self._session.request(
            method,
            self._url(path, query or {}),
            data=None if data is None else json.dumps(data, ensure_ascii=False).encode(),
            headers={**typed, **(headers or {})},
            allow_redirects=False,
        )
        return await self._translated(self._read(request))

    async def download(
        self,
        sink: Callable[[bytes], object],
        *path: str,
        query: Mapping[str, str],
        begin: Callable[[int | None], object] = lambda _: None,
        timeout_seconds: float | None = None,
    ) -> Answer:
        """Pass the body of the answer to a sink piece by piece, for any length of time.

        Before the first piece, `begin` gets the number of messages of the archive, None if the
        answer does not say. `timeout_seconds` limits the time between two pieces, None: as in the
        settings. The body of a refusal is not passed. Raises NotRunning, also if the answer is
        incomplete.
        """
        limit = timeout_seconds or self._settings.timeout_seconds
        request = self._session.get(
            self._url(path, query),
            timeout=aiohttp.ClientTimeout(sock_read=limit),
            allow_redirects=False,
        )
        return await self._translated(self._read(request, sink, begin))

    async def _read(
        self,
        request: AbstractAsyncContextManager[aiohttp.ClientResponse],
        sink: Callable[[bytes], object] | None = None,
        begin: Callable[[int | None], object] = lambda _: None,
    ) -> Answer:
        async with request as response:
            answer = Answer(status=response.status)
            if sink is None or not answer.is_good:
                return replace(answer, data=_json(await response.read()))
            number = response.headers.get("Muniment-Messages", "")
            begin(int(number) if number.isdecimal() else None)
            async for piece in response.content.iter_any():
                sink(piece)
            return answer

    async def _translated(self, reading: Awaitable[Answer]) -> Answer:
        # No exception of aiohttp is passed on, because it may quote the URL with a password.
        try:
            return await reading
        except aiohttp.ClientConnectorError as error:
            number = error.os_error.errno
            reason = os.strerror(number) if number else "no connection"
        except TimeoutError:
            reason = "no answer in time"
        except (aiohttp.ClientError, OSError) as error:
            reason = f"no answer ({type(error).__name__})"
        raise NotRunning(f"Muniment does not answer at {self.place}: {reason}.")

    def _url(self, path: tuple[str, ...], query: Mapping[str, str]) -> URL:
        parts = "".join(f"/{quote(part, safe='')}" for part in path)
        encoded = f"?{urlencode(query, quote_via=quote)}" if query else ""
        return URL(f"{self._base}{parts}{encoded}", encoded=True)


def _socket(address: str) -> str | None:
    """Return the path of a Unix socket, or None for another address."""
    return address.removeprefix(UNIX) if address.startswith(UNIX) else None


def _authority(address: str, port: int) -> str:
    """Return the host and port to connect to; loopback in the place of an unspecified address."""
    try:
        ip = ip_address(address)
    except ValueError:
        return f"{address}:{port}"
    if ip.is_unspecified:
        address = "127.0.0.1" if ip.version == 4 else "::1"
    return f"[{address}]:{port}" if ip.version == 6 else f"{address}:{port}"


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
