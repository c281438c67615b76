"""Visitors of the pages: profiles of Debian's Chromium, each with its page, its keys and eyes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Error, Locator, Page, Response

from support.converse import CHROMIUM
from support.ejabberd import Account

#: What npm installs, from package-lock.json.
AXE = Path(__file__).parent / "page_checks" / "node_modules" / "axe-core" / "axe.min.js"

#: However long a loaded machine may take.
SECONDS = 30.0

#: Widths of a phone, of a tablet and of a desk, in CSS pixels.
WIDTHS = (360, 768, 1280)

THEMES = ("light", "dark")

#: Rules that axe checks: those of WCAG 2.2 AA, and what its makers hold for good practice.
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def missing_parts() -> list[str]:
    """Return what is not installed."""
    missing = [] if which(CHROMIUM) else [CHROMIUM]
    return missing if AXE.exists() else [*missing, f"the npm packages of {AXE.parents[2]}"]


class Visitor:
    """A profile of the browser with one page, which may show no error of its own."""

    def __init__(self, page: Page, url: str) -> None:
        """`url` is the address of the listener that serves the page."""
        self.page = page
        self.url = url
        #: errors of scripts, violations of the policy, and refused requests
        self.problems: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        page.on("console", self._note_line)
        page.on("response", self._note_refusal)
        page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))

    def expect_problem(self, pattern: str) -> None:
        """Allow problems that match a pattern: those that the test itself makes."""
        self._expected.append(re.compile(pattern))

    @property
    def unexpected(self) -> list[str]:
        """The problems that no test has allowed."""
        return [
            problem
            for problem in self.problems
            if not any(pattern.search(problem) for pattern in self._expected)
        ]

    async def open(self, path: str = "") -> None:
        """Open the page."""
        await self.page.goto(f"{self.url}/{path}")

    async def sign_in(self, account: Account, *, stays: bool = False) -> None:
        """Open the page, sign in by its form, and return when the conversations are there."""
        await self.open()
        await self.by_label("Address").fill(account.jid)
        await self.by_label("Password").fill(account.password)
        if stays:
            await self.by_label("Stay signed in").check()
        await self.page.get_by_role("button", name="Sign in").click()
        await self.page.get_by_role("navigation", name="Conversations").wait_for()

    async def chat(self, jid: str) -> None:
        """Open a conversation by its address, and return when its messages are there."""
        await self.page.evaluate("to => { location.hash = to; }", f"#/chat/{jid}")
        await self.page.locator(f"#conversation[data-jid='{jid}'][data-state='ready']").wait_for()

    async def make_room(self, name: str, *members: str) -> None:
        """Make a room with members by the form of the page, and return when it is open."""
        await self.page.get_by_role("button", name="New room").click()
        await self.by_label("Name").fill(name)
        await self.by_label("Members").fill(" ".join(members))
        await self.page.get_by_role("button", name="Create the room").click()
        await self.page.locator("#conversation[data-state=ready]").wait_for()

    async def say(self, text: str) -> None:
        """Write a message, and send it by Enter."""
        field = self.by_label("Message")
        await field.fill(text)
        await field.press("Enter")

    def message(self, text: str) -> Locator:
        """Return the message with a text."""
        return self.page.locator("li.row").filter(has_text=text)

    def by_label(self, label: str) -> Locator:
        """Return the field with a label."""
        return self.page.get_by_label(label, exact=True)

    async def violations(self) -> list[str]:
        """Return the violations of the rules of accessibility on the page as it is."""
        # Not by add_script_tag, which the policy of the page forbids.
        if not await self.page.evaluate("() => 'axe' in window"):
            await self.page.evaluate(AXE.read_text() + "\n;null")
        found: list[dict[str, Any]] = await self.page.evaluate(
            """rules => axe.run(document, {runOnly: rules, resultTypes: ["violations"]})
                .then(results => results.violations)""",
            _RULES,
        )
        return [
            f"{violation['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for violation in found
            for node in violation["nodes"]
        ]

    async def _note_refusal(self, response: Response) -> None:
        if response.status >= 400:
            request = response.request
            text = f"{response.status}: {request.method} {request.url} {request.post_data}"
            with suppress(Error):
                text += f": {await response.text()}"
            self.problems.append(text)

    def _note_line(self, line: ConsoleMessage) -> None:
        if line.type in ("error", "warning"):
            address = line.location.get("url", "")
            self.problems.append(f"{line.type}: {line.text} {address}")


@dataclass(frozen=True, slots=True)
class Opened:
    """A visitor who has signed in, and has opened the conversation with a contact."""

    visitor: Visitor
    own: Account
    contact: Account

    @classmethod
    async def by(cls, visitor: Visitor, own: Account, contact: Account) -> Opened:
        """Let a visitor sign in, and open the conversation."""
        await visitor.sign_in(own)
        await visitor.chat(contact.jid)
        return cls(visitor, own, contact)


@asynccontextmanager
async def visitor(browser: Browser, url: str, **options: Any) -> AsyncIterator[Visitor]:
    """Return a visitor whose profile is new; `options` are those of a context of Playwright."""
    context = await browser.new_context(reduced_motion="reduce", **options)
    context.set_default_timeout(SECONDS * 1000)
    try:
        yield Visitor(await context.new_page(), url)
    finally:
        await context.close()


#: Lets a visitor come; the arguments are options of a context of Playwright.
Visit = Callable[..., Awaitable[Visitor]]
