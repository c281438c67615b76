"""The other end of the HTTP interface: asks the program that runs on this machine."""

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

from component.web.server.settings import UNIX


class NotRunning(Exception):
    """Nobody answers: the program does not run, or the configuration names another place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Where the program listens, and what is shown to it."""

    address: str  #: as it is told to listen: host name, IP address or unix:PATH
    port: int
    secret: str | None = field(repr=False)
    prefix: str
    timeout_seconds: float  #: for the whole of an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the program says."""

    status: int
    data: Any = field(default=None, repr=False)  #: None where the body is empty or no JSON

    @property
    def is_good(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """Why it was not done, for people."""
        said = self.data.get("message") if isinstance(self.data, dict) else None
        return str(said) if said else f"The answer is {self.status}."


class Client(AbstractAsyncContextManager["Client"]):
    """Asks the running program, over one connection after the other; for `async with`."""

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
        """Let go of the connections."""
        await self._session.close()

    async def health(self) -> dict[str, dict[str, Any]]:
        """Return what the program tells of each part, `ok` of all. Raises NotRunning."""
        asked = self._session.get(f"{self._root}/health/ready", allow_redirects=False)
        answer = await self._answered(self._read(asked))
        try:
            parts = {str(name): dict(part) for name, part in answer.data["parts"].items()}
            return {name: {**part, "ok": bool(part["ok"])} for name, part in parts.items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NotRunning(f"What answers at {self.place} is not Muniment.") from error

    async def ask(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str] | None = None,
        data: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask for what is at a path below the prefix, each part of it as it is, unquoted.

        `data` is sent as JSON. Raises NotRunning, UnicodeError where that has no text for it.
        """
        typed = {} if data is None else {"Content-Type": "application/json"}
        asked = self._session.request(
            method,
            self._url(path, query or {}),
            data=None if data is None else json.dumps(data, ensure_ascii=False).encode(),
            headers={**typed, **(headers or {})},
            allow_redirects=False,
        )
        return await self._answered(self._read(asked))

    async def take(
        self, sink: Callable[[bytes], object], *path: str, query: Mapping[str, str]
    ) -> Answer:
        """Hand what is at a path to a sink, piece by piece, however long it takes.

        Nothing is handed on of a refusal. Raises NotRunning, also where the answer breaks off.
        """
        asked = self._session.get(
            self._url(path, query),
            timeout=aiohttp.ClientTimeout(sock_read=self._settings.timeout_seconds),
            allow_redirects=False,
        )
        return await self._answered(self._read(asked, sink))

    async def _read(
        self,
        asked: AbstractAsyncContextManager[aiohttp.ClientResponse],
        sink: Callable[[bytes], object] | None = None,
    ) -> Answer:
        async with asked as response:
            answer = Answer(status=response.status)
            if sink is None or not answer.is_good:
                return replace(answer, data=_json(await response.read()))
            async for piece in response.content.iter_any():
                sink(piece)
            return answer

    async def _answered(self, reading: Awaitable[Answer]) -> Answer:
        # The exceptions of aiohttp may quote the URL, and its query may hold a password: none of
        # them is passed on.
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
        asked = f"?{urlencode(query, quote_via=quote)}" if query else ""
        return URL(f"{self._base}{parts}{asked}", encoded=True)


def _socket(address: str) -> str | None:
    """Return the path of a Unix socket, None where it is none."""
    return address.removeprefix(UNIX) if address.startswith(UNIX) else None


def _authority(address: str, port: int) -> str:
    """Return where to call who listens at an address: at any, on loopback."""
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
