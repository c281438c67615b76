"""The operators' pages in a browser: journeys, pages without scripts, and accessibility."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Locator, expect
from support.archives import Talk, correct, in_room, react, retract, to_alice, to_bob
from support.browser import SECONDS, THEMES, WIDTHS, Visitor, visitor
from support.builders import message
from support.ejabberd import ROOT
from support.http_services import HOST, open_services
from support.operators import AUDITOR, CHIEF, WITH_OPERATORS

from component.core.access.principals import Operator
from component.web.app import make_app
from component.web.server.settings import Services
from storage.rows import ANY, Rule

OWNER, BOB, CAROL = f"alice@{HOST}", f"bob@{HOST}", f"carol@{HOST}"
ARCHIVE = f"operators/archives/{OWNER}"
DAY = "2026-01-01"

FILE = "<x xmlns='jabber:x:oob'><url>https://files.example/cat.png</url><desc>A cat</desc></x>"
OMEMO = "<encrypted xmlns='eu.siacs.conversations.axolotl'/>"

HOSTILE = "&lt;script>alert(1)&lt;/script>&lt;img src=x onerror=alert(1)>\u202ednuora yaw gnorw"

PLANS = (
    to_bob("Hi Bob, do you still have the plans of the town hall?", "p1"),
    to_alice("Somewhere in the muniment room, I should think.", "p2"),
    to_bob("Nothing gets lost there.", "p3"),
    to_bob("Nothing gets lost there. It is only never found.", "p4", correct("p3")),
    to_alice(None, "p5", react("p3", "+1")),
    to_alice("Look: https://files.example/plans-1894.png", "p6"),
    to_bob("These plans are of the old hall.", "p7"),
    to_alice("I have looked in the wrong place again.", "p8"),
    to_alice(None, "p9", retract("p8")),
)

#: Name, path, a text on the page, and the options of the browser.
PICTURES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    (
        "operators-search.png",
        f"{ARCHIVE}/search?search=plans",
        "muniment room",
        {"viewport": {"width": 1100, "height": 900}, "color_scheme": "light"},
    ),
    (
        "operators-day-phone.png",
        f"{ARCHIVE}/days/{DAY}?with={BOB}",
        "muniment room",
        {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark"},
    ),
    (
        "operators-accounts.png",
        "operators/accounts",
        "disabled",
        {"viewport": {"width": 1100, "height": 900}, "color_scheme": "light"},
    ),
)

expect.set_options(timeout=SECONDS * 1000)

Come = Callable[..., Awaitable[Visitor]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def services() -> AsyncIterator[Services]:
    """A store with some conversations."""
    async with open_services() as opened:
        await Talk(opened.writer).take(
            to_bob("first draft of the plan", "m1"),
            to_alice("an answer about the weather", "m2", FILE),
            to_bob("the plan for tomorrow", "m3", correct("m1")),
            to_alice(None, "m4", react("m1", "👍")),
            to_bob("regretted", "m5"),
            to_bob(None, "m6", retract("m5")),
            to_alice("fallback", "m7", OMEMO),
            to_alice(HOSTILE, "m8"),
            to_alice("x" * 60_000, "m9"),
            in_room("nick", "a plan in the room", "r1"),
            message("to erase", sender=f"{BOB}/b1", to=CAROL, id="c1"),
        )
        await opened.administration.rules.set(Rule(owner=BOB, messages=2))
        await opened.accounts.admin.register(OWNER, "pencil")
        await opened.accounts.admin.register(BOB, "pencil")
        await opened.accounts.admin.set_enabled(BOB, False)
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url(services: Services) -> AsyncIterator[str]:
    """The address of the private listener."""
    async with TestServer(make_app(WITH_OPERATORS, services)) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest_asyncio.fixture(loop_scope="session")
async def come(browser: Browser, url: str) -> AsyncIterator[Come]:
    """Return a function that lets an operator sign in, who may meet no unexpected error."""
    visitors: list[Visitor] = []
    async with AsyncExitStack() as stack:

        async def sign_in(operator: Operator, **options: object) -> Visitor:
            someone = await stack.enter_async_context(visitor(browser, url, **options))
            visitors.append(someone)
            await someone.open("operators")
            await someone.by_label("Secret of an operator").fill(str(operator.secret))
            await press(someone, "Sign in")
            await expect(heading(someone)).to_have_text("Archives")
            return someone

        yield sign_in
    assert [problem for someone in visitors for problem in someone.unexpected] == []


def heading(someone: Visitor) -> Locator:
    return someone.page.get_by_role("heading", level=1)


async def press(someone: Visitor, name: str) -> None:
    await someone.page.get_by_role("button", name=name, exact=True).click()


async def follow(someone: Visitor, name: str) -> None:
    await someone.page.get_by_role("link", name=name, exact=True).first.click()


async def sees(someone: Visitor, *texts: str) -> None:
    """Wait until the page has these texts."""
    for text in texts:
        await expect(someone.page.locator("body")).to_contain_text(text)


async def journey(chief: Visitor, owner: str) -> None:
    """Find the archive of an owner, read and search it, hold, preview a purge, and erase it."""
    page = chief.page
    await chief.by_label("Part of the JID of an owner").fill(owner.partition("@")[0])
    await press(chief, "Show")
    await follow(chief, owner)
    await follow(chief, BOB)
    await sees(chief, "January 2026")
    await page.locator(".month a").first.click()
    await sees(chief, "Thursday, 1 January 2026", "to erase")
    await page.locator(".permalink").first.click()
    await expect(page.locator(".message.target")).to_contain_text("to erase")
    await follow(chief, "Search")
    await chief.by_label("Words, or “a phrase” in quotation marks").fill("erase")
    await press(chief, "Search")
    await expect(page.locator("mark")).to_have_text("erase")

    await follow(chief, "Holds")
    await chief.by_label("JID of a user or a room, or a host").fill(owner)
    await chief.by_label("Reason, for the audit log").fill("case 7")
    await press(chief, "Place the hold")
    await sees(chief, "case 7")
    await chief.open(f"operators/archives/{owner}/erase")
    await sees(chief, "Nothing of this archive may be deleted")
    await follow(chief, "Holds")
    await page.get_by_label("messages may be deleted again").check()
    await press(chief, f"Release the hold on {owner}")
    await sees(chief, "There is no legal hold")

    await follow(chief, "Purges")
    await press(chief, "Preview")
    await sees(chief, "This deletes")

    await chief.open(f"operators/archives/{owner}/erase")
    await chief.by_label(f"To confirm, type {owner}").fill(owner.upper())
    chief.expect_problem("400")
    await press(chief, "Erase the archive")
    await sees(chief, "Nothing is erased")
    await chief.by_label(f"To confirm, type {owner}").fill(owner)
    await press(chief, "Erase the archive")
    await sees(chief, "The archive is erased")

    await follow(chief, "Audit log")
    rows = page.get_by_role("row").filter(has_text=owner)
    for action in ("erase", "release", "hold", "search", "read", "conversations"):
        await expect(rows.filter(has_text=action).first).to_contain_text("chief")
    await press(chief, "Sign out")
    await sees(chief, "You have signed out")


async def test_operator_reads_holds_and_erases(come: Come, services: Services) -> None:
    await journey(await come(CHIEF), CAROL)

    assert await services.storage.archive.count(CAROL, ANY) == 0


async def test_operator_reads_holds_and_erases_without_scripts(
    come: Come, services: Services
) -> None:
    erin = f"erin@{HOST}"
    await Talk(services.writer).take(message("to erase", sender=f"{BOB}/b1", to=erin, id="e1"))

    await journey(await come(CHIEF, java_script_enabled=False), erin)

    assert await services.storage.archive.count(erin, ANY) == 0


async def test_export_is_a_download(come: Come) -> None:
    auditor = await come(AUDITOR)
    await auditor.open(f"{ARCHIVE}/export")
    await auditor.by_label(f"I may take a copy of all messages of {OWNER}").check()

    async with auditor.page.expect_download() as started:
        await press(auditor, "Export")

    download = await started.value
    assert download.suggested_filename == "archive.jsonl"
    assert "the plan for tomorrow" in (await download.path()).read_text()


async def test_times_are_in_the_zone_of_the_reader(come: Come) -> None:
    auditor = await come(AUDITOR, timezone_id="Asia/Kolkata", locale="en-GB")
    await auditor.open(f"{ARCHIVE}/days/{DAY}")

    time = auditor.page.locator("time").first
    await expect(time).to_have_text("1 Jan 2026, 17:30:00")
    await expect(time).to_have_attribute("title", "2026-01-01 12:00:00 UTC")


async def test_keys_move_between_hits_but_not_while_writing(come: Come) -> None:
    auditor = await come(AUDITOR)
    await auditor.open(f"{ARCHIVE}/search?search=plan")
    hits = auditor.page.locator(".hit")
    await expect(hits).to_have_count(2)

    await auditor.page.keyboard.press("n")
    await expect(hits.nth(0)).to_be_focused()
    await auditor.page.keyboard.press("n")
    await expect(hits.nth(1)).to_be_focused()
    await auditor.page.keyboard.press("p")
    await expect(hits.nth(0)).to_be_focused()
    field = auditor.page.get_by_role("searchbox")
    await field.press("n")
    await expect(field).to_have_value("nplan")


async def test_pages_are_used_by_keyboard_alone(come: Come) -> None:
    auditor = await come(AUDITOR)
    keyboard = auditor.page.keyboard
    await auditor.open("operators/archives")

    await keyboard.press("Tab")
    await expect(auditor.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await keyboard.press("Enter")
    await keyboard.press("Tab")
    await expect(auditor.by_label("Open the archive of a user or a room")).to_be_focused()
    await keyboard.type(OWNER)
    await keyboard.press("Enter")
    await expect(heading(auditor)).to_have_text(OWNER)


async def test_hostile_text_stays_text_and_nothing_remote_is_loaded(come: Come) -> None:
    auditor = await come(AUDITOR)
    addresses: list[str] = []
    auditor.page.on("request", lambda request: addresses.append(request.url))
    for path in ("", f"/days/{DAY}", "/search?search=weather", "/files"):
        await auditor.open(f"{ARCHIVE}{path}")
        width = await auditor.page.evaluate("document.documentElement.scrollWidth")
        assert width <= WIDTHS[-1]
    await auditor.open(f"{ARCHIVE}/days/{DAY}")
    await sees(auditor, "<script>alert(1)</script><img src=x onerror=alert(1)>")

    assert await auditor.page.locator("main img, main script").count() == 0
    assert {address.startswith(auditor.url) for address in addresses} == {True}


async def test_paper_has_the_messages_and_no_forms(come: Come) -> None:
    auditor = await come(AUDITOR)
    await auditor.open(f"{ARCHIVE}/days/{DAY}")
    await auditor.page.emulate_media(media="print")

    await expect(auditor.page.get_by_text("the plan for tomorrow")).to_be_visible()
    for hidden in (".top", ".tabs", "footer", ".pages"):
        await expect(auditor.page.locator(hidden).first).to_be_hidden()


async def pages(services: Services) -> list[str]:
    """Return the path of each page of an admin, with something on it."""
    await services.writer.wait_durable()
    found = await services.storage.archive.page(OWNER, ANY, limit=1)
    message_page = f"{ARCHIVE}/messages/{found.messages[0].id}"
    below = ("", "/calendar", f"/days/{DAY}", "/search?search=plan", "/files")
    orders = ("/figures", "/erase", "/export")
    return [
        *("operators/archives", message_page),
        *(f"{ARCHIVE}{path}" for path in (*below, *orders)),
        f"operators/archives/{BOB}/retention",
        f"{message_page}/blank",
        f"operators/archives/nobody@{HOST}",
        *(
            f"operators/{name}"
            for name in ("holds", "purges", "audit", "figures", "doctor", "nothing")
        ),
        "operators/accounts",
        *(f"operators/accounts/{account}" for account in (OWNER, BOB, f"{OWNER}/delete")),
    ]


async def test_pages_have_no_violation_of_accessibility(
    come: Come, services: Services, browser: Browser, url: str
) -> None:
    chief = await come(CHIEF)
    chief.expect_problem("404")
    await chief.open("operators/holds")
    await chief.by_label("JID of a user or a room, or a host").fill(BOB)
    await chief.by_label("Reason, for the audit log").fill("case 7")
    await press(chief, "Place the hold")
    problems: dict[str, list[str]] = {}
    for path in await pages(services):
        await chief.open(path)
        for theme, width in product(THEMES, WIDTHS):
            await chief.page.emulate_media(color_scheme=theme)
            await chief.page.set_viewport_size({"width": width, "height": 800})
            found = await chief.violations()
            overflow = await chief.page.evaluate("document.documentElement.scrollWidth")
            if found or overflow > width:
                problems[f"{path} {theme} {width} ({overflow})"] = found
    await services.administration.holds.release(BOB)

    assert problems == {}


async def test_sign_in_has_no_violation_of_accessibility(browser: Browser, url: str) -> None:
    async with visitor(browser, url) as someone:
        someone.expect_problem("401|sign-in secret=wrong")
        await someone.open("operators/audit")
        assert await someone.violations() == []
        await someone.by_label("Secret of an operator").fill("wrong")
        await press(someone, "Sign in")
        await sees(someone, "No operator has this secret")
        assert await someone.violations() == []
        assert someone.unexpected == []


async def test_pictures_show_a_search_and_accounts_on_a_desk_and_a_day_on_a_phone(
    browser: Browser, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = ROOT / "docs/pictures" if request.config.getoption("--screenshots") else tmp_path
    folder.mkdir(exist_ok=True)
    async with open_services() as services:
        await Talk(services.writer).take(*PLANS)
        for jid in (OWNER, BOB, CAROL):
            await services.accounts.admin.register(jid, "pencil")
        await services.accounts.admin.set_enabled(CAROL, False)
        async with TestServer(make_app(WITH_OPERATORS, services)) as server:
            address = str(server.make_url("")).rstrip("/")
            for name, path, text, options in PICTURES:
                async with visitor(browser, address, locale="en-GB", **options) as someone:
                    await someone.open(path)
                    await someone.by_label("Secret of an operator").fill(str(CHIEF.secret))
                    await press(someone, "Sign in")
                    await sees(someone, text)
                    await someone.page.screenshot(path=folder / name)
                assert (folder / name).stat().st_size > 10_000
