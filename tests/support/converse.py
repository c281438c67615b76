"""Converse.js, a web client, as its users run it: in Chromium, over ejabberd's WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from difflib import unified_diff
from pathlib import Path
from shutil import which

from aiohttp import web
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from support.ejabberd import Account
from support.ports import LOOPBACK

#: What npm installs, from package-lock.json.
DIST = Path(__file__).parent / "converse_js" / "node_modules" / "converse.js" / "dist"

#: However long a loaded machine may take.
SECONDS = 40.0
POLL_SECONDS = 0.2

CHROMIUM = "chromium"

_PAGE = """\
<!DOCTYPE html>
<meta charset="utf-8">
<link rel="stylesheet" href="/dist/converse.min.css">
<script type="module">
import converse from "/dist/converse.min.js";
converse.initialize(SETTINGS);
</script>
"""

#: Returns the text of each message on the page, and the note in the place of a retracted one.
_TEXTS = """\
() => [...document.querySelectorAll("converse-chat-message")].map(
    message => message.querySelector(".chat-msg__text, .retraction")?.innerText.trim() ?? "")
"""

#: Scrolls to the place where messages are missing, if there is one.
_SCROLL = "() => document.querySelector('converse-mam-placeholder')?.scrollIntoView()"


class Unseen(Exception):
    """Texts did not appear on the page; the message has the difference."""


def missing_parts() -> list[str]:
    """Return what is not installed."""
    missing = [] if which(CHROMIUM) else [CHROMIUM]
    return missing if DIST.exists() else [*missing, f"the npm packages of {DIST.parents[2]}"]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run Debian's Chromium, without a window."""
    async with async_playwright() as playwright:
        # Chromium has no sandbox for root, and here it opens only pages of the test.
        browser = await playwright.chromium.launch(
            executable_path=which(CHROMIUM), args=["--no-sandbox"]
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def converse_device(
    browser: Browser, account: Account, http_port: int
) -> AsyncIterator[ConverseDevice]:
    """Return a profile of the browser on which nothing is stored yet.

    `http_port` is where ejabberd has its WebSocket.
    """
    settings = {
        "jid": account.jid,
        "password": account.password,
        "auto_login": True,
        "authentication": "login",
        "websocket_url": f"ws://{LOOPBACK}:{http_port}/ws",
        "discover_connection_methods": False,
        "allow_non_roster_messaging": True,
        "muc_nickname_from_jid": True,
        # By default Converse.js asks rooms for no history, only for an archive.
        "muc_history_max_stanzas": 20,
        "assets_path": "/dist/",
        "view_mode": "fullscreen",
        "i18n": "en",
    }
    page = _PAGE.replace("SETTINGS", json.dumps(settings))

    async def index(_: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html")

    application = web.Application()
    application.router.add_get("/", index)
    application.router.add_static("/dist", DIST)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, 0).start()
        context = await browser.new_context()
        context.set_default_timeout(SECONDS * 1000)
        yield ConverseDevice(context, f"http://{LOOPBACK}:{runner.addresses[0][1]}/")
        await context.close()
    finally:
        await runner.cleanup()


class ConverseDevice:
    """A profile of a browser, for one user of Converse.js."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        """`url` is that of the page."""
        self._context = context
        self._url = url

    @asynccontextmanager
    async def chat(self, address: str) -> AsyncIterator[Chat]:
        """Open the page at a chat with a user, and close it at the end."""
        async with self._opened(f"chat?jid={address}") as page:
            yield page

    @asynccontextmanager
    async def room(self, address: str) -> AsyncIterator[Chat]:
        """Open the page at a room, and close it at the end."""
        async with self._opened(f"room?jid={address}") as page:
            yield page

    @asynccontextmanager
    async def _opened(self, route: str) -> AsyncIterator[Chat]:
        page = await self._context.new_page()
        await page.goto(f"{self._url}#converse/{route}")
        yield Chat(page)
        await page.close()


class Chat:
    """A chat or a room on a page."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def say(self, text: str) -> None:
        """Type a message and send it."""
        field = self._page.locator("textarea.chat-textarea")
        await field.fill(text)
        await field.press("Enter")

    async def wait_for_texts(self, expected: Sequence[str]) -> None:
        """Return when these texts are on the page and no others. Raises Unseen.

        Until then it scrolls up, as a reader does: Converse.js loads older messages when the place
        comes into view where they are missing.
        """
        try:
            async with asyncio.timeout(SECONDS):
                while await self.texts() != expected:
                    await self._page.evaluate(_SCROLL)
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            difference = "\n".join(unified_diff(expected, await self.texts(), "expected", "shown"))
            raise Unseen(f"not within {SECONDS:g} s\n{difference}") from None

    async def texts(self) -> list[str]:
        """Return the text of each message, or the note in the place of a retracted one."""
        texts: list[str] = await self._page.evaluate(_TEXTS)
        return texts
