"""Operators who have signed in to their pages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from aiohttp.test_utils import TestClient, TestServer

from component.core.access.principals import Operator, Role
from component.web.app import make_app
from component.web.server.settings import Services, WebSettings
from support.http_services import SETTINGS

AUDITOR = Operator(name="auditor", role=Role.READER, secret="reads-everything")
CHIEF = Operator(name="chief", role=Role.ADMIN, secret="rules-everything")
WITH_OPERATORS = replace(SETTINGS, operators=(AUDITOR, CHIEF))

PREFIX = "/operators"


class _Reader(HTMLParser):
    """Collects the elements and the texts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.marked: list[str] = []
        self._is_marked = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._is_marked = tag == "mark"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._is_marked:
            self.marked.append(data)
            self._is_marked = False


@dataclass(frozen=True)
class Page:
    """A page as the browser of an operator gets it."""

    status: int
    path: str  #: after redirections, with the query
    html: str
    headers: dict[str, str]

    @property
    def text(self) -> str:
        """All texts, with single blanks between words."""
        return " ".join(" ".join(_read(self.html).texts).split())

    @property
    def marked(self) -> list[str]:
        """The texts that are marked."""
        return _read(self.html).marked

    @property
    def links(self) -> list[str]:
        """The addresses of all links."""
        return [str(attributes["href"]) for attributes in self.elements("a")]

    @property
    def targets(self) -> list[str]:
        """The ids of the messages that the page is about, or that a search has found."""
        return [
            str(attributes["id"]).removeprefix("m-")
            for attributes in self.elements("article")
            if attributes.get("aria-current")
        ]

    def elements(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of the elements of a name."""
        return [attributes for name, attributes in _read(self.html).elements if name == tag]


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    return reader


class OperatorBrowser:
    """The browser of an operator: it keeps cookies, and says where a form comes from."""

    def __init__(self, client: TestClient[Any, Any]) -> None:
        self.client = client
        self.origin = str(client.make_url("")).rstrip("/")

    async def get(self, path: str = "", **parameters: str) -> Page:
        """Open a page below the prefix, or an address that a page has linked to."""
        address = path if path.startswith(PREFIX) else f"{PREFIX}/{path}"
        async with self.client.get(address, params=parameters or None) as response:
            return await _page(response)

    async def post(self, path: str, **fields: str) -> Page:
        """Send a form."""
        return await self.send(path, fields, {"Origin": self.origin})

    async def send(
        self,
        path: str,
        fields: dict[str, str],
        headers: dict[str, str],
        *,
        redirected: bool = True,
    ) -> Page:
        """Send a form with these headers alone."""
        async with self.client.post(
            f"{PREFIX}/{path}", data=fields, headers=headers, allow_redirects=redirected
        ) as response:
            return await _page(response)

    async def sign_in(self, operator: Operator) -> Page:
        """Sign in by the form, and open no page yet."""
        fields = {"secret": str(operator.secret)}
        return await self.send("sign-in", fields, {"Origin": self.origin}, redirected=False)


async def _page(response: Any) -> Page:
    parts = urlsplit(str(response.url))
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return Page(response.status, path, await response.text(), dict(response.headers))


@asynccontextmanager
async def operator_browser(
    services: Services, operator: Operator | None, settings: WebSettings = WITH_OPERATORS
) -> AsyncIterator[OperatorBrowser]:
    """Return a browser at a new server, in which an operator has signed in; None: nobody."""
    async with TestClient(TestServer(make_app(settings, services))) as client:
        browser = OperatorBrowser(client)
        if operator is not None:
            await browser.sign_in(operator)
        yield browser
