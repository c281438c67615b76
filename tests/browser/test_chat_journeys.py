"""Journeys of one person: a new account, two tabs, a lost connection, a picture."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from secrets import token_hex

from playwright.async_api import Route, expect
from support.browser import Opened, Visit
from support.sign_in_server import SigningIn

#: A picture of one red pixel.
PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)

#: Where a browser keeps what outlives a page.
STORED = "() => [localStorage.length, sessionStorage.length]"


async def test_somebody_signs_up_stays_signed_in_and_signs_out(visit: Visit) -> None:
    visitor = await visit()
    page = visitor.page
    await visitor.open()
    await page.get_by_role("button", name="Create an account").click()
    await visitor.by_label("Address").fill(f"dora-{token_hex(3)}")
    await visitor.by_label("Name that others see").fill("Dora")
    await expect(visitor.by_label("Password")).to_have_accessible_description(
        "8 to 128 characters, without the name in your address."
    )
    assert await visitor.violations() == []
    await visitor.by_label("Password").fill("no")
    await visitor.by_label("Stay signed in").check()
    create = page.get_by_role("button", name="Create an account")
    visitor.expect_problem("40[0-9]")
    await create.click()
    await expect(page.get_by_role("alert")).to_have_text("Password: expected 8 to 128 characters")
    await visitor.by_label("Password").fill("correct horse")
    await create.click()
    navigation = page.get_by_role("navigation", name="Conversations")
    await navigation.wait_for()
    assert await page.evaluate(STORED) == [1, 0]

    # Both tabs refresh the token that they share, again and again.
    second = await page.context.new_page()
    await second.goto(page.url)
    for _ in range(3):
        await asyncio.gather(page.reload(), second.reload())
        for tab in (page, second):
            await tab.get_by_role("navigation", name="Conversations").wait_for()

    await page.get_by_role("button", name="Your account").click()
    await page.get_by_role("button", name="Sign out").click()
    for tab in (page, second):
        await tab.get_by_label("Address").wait_for()
    assert await page.evaluate(STORED) == [0, 0]


async def test_message_that_cannot_be_sent_stays_until_it_is_sent_once(opened: Opened) -> None:
    visitor = opened.visitor
    refused = 0

    async def refuse(route: Route) -> None:
        nonlocal refused
        if route.request.method != "POST":
            await route.continue_()
            return
        refused += 1
        if refused == 1:
            # It was sent, and the answer is lost.
            await route.fetch()
        body = {"error": "forbidden", "message": "Not now.", "status": 403}
        await route.fulfill(status=403, json=body)

    visitor.expect_problem("403")
    await visitor.page.route("**/messages", refuse)
    await visitor.say("Only once")
    await expect(visitor.message("Only once").first).to_contain_text("Only once")
    await visitor.say("Only later")
    failed = visitor.message("Only later")
    await expect(failed).to_contain_text("Not sent: Not now.")
    await visitor.page.reload()
    await expect(visitor.message("Only later")).to_contain_text("Not sent")
    await visitor.page.unroute("**/messages")
    for button in await visitor.page.get_by_role("button", name="Send again").all():
        await button.click()

    await expect(visitor.page.locator("li.pending")).to_have_count(0)
    await expect(visitor.message("Only once")).to_have_count(1)
    await expect(visitor.message("Only later")).to_have_count(1)


async def test_page_catches_up_after_muniment_was_away(
    opened: Opened, signing_in: SigningIn
) -> None:
    visitor, server = opened.visitor, signing_in.server
    async with server.client(opened.contact) as client:
        await client.be_available()
        client.say(opened.own.jid, "before")
        await expect(visitor.message("before")).to_be_visible()
        visitor.expect_problem("ERR_|50[0-9]|Failed to load")
        await asyncio.to_thread(server.muniment.stop)
        await expect(visitor.page.get_by_text("Reconnecting…")).to_be_visible()
        await asyncio.to_thread(server.muniment.start)
        client.say(opened.own.jid, "behind")
        await expect(visitor.message("behind")).to_be_visible()
        await expect(visitor.page.get_by_text("Reconnecting…")).to_be_hidden()

    await expect(visitor.message("before")).to_have_count(1)


async def test_page_says_at_once_that_the_browser_is_off_line(opened: Opened) -> None:
    visitor = opened.visitor
    visitor.expect_problem("ERR_|Failed to load")
    await visitor.page.context.set_offline(True)
    await expect(visitor.page.get_by_text("Reconnecting…")).to_be_visible()
    await visitor.say("sent off line")
    await expect(visitor.message("sent off line")).to_contain_text("Sending")
    await visitor.page.context.set_offline(False)

    await expect(visitor.page.get_by_text("Reconnecting…")).to_be_hidden()
    await expect(visitor.message("sent off line").locator(".mark")).to_be_visible()


async def test_page_says_what_it_waits_for_and_what_has_failed(
    visit: Visit, signing_in: SigningIn
) -> None:
    (ann,) = signing_in.server.accounts("ann")
    visitor = await visit()
    page = visitor.page
    answers = asyncio.Event()

    async def wait_then_fail(route: Route) -> None:
        await answers.wait()
        await route.fulfill(status=502, content_type="text/html", body="<h1>Bad gateway</h1>")

    visitor.expect_problem("502")
    await page.route("**/chat/conversations*", wait_then_fail)
    await visitor.sign_in(ann)
    navigation = page.get_by_role("navigation", name="Conversations")
    await expect(navigation).to_contain_text("Loading…")
    await expect(page.get_by_text("Choose a conversation")).to_be_hidden()
    answers.set()

    await expect(navigation.get_by_role("alert")).to_have_text(
        "The server is not ready (error 502). Try again in a moment."
    )
    await page.unroute("**/chat/conversations*")
    await navigation.get_by_role("button", name="Try again").click()
    await expect(page.get_by_text("Choose a conversation")).to_be_visible()


async def test_new_page_says_how_to_begin(visit: Visit, signing_in: SigningIn) -> None:
    (ann,) = signing_in.server.accounts("ann")
    visitor = await visit()
    await visitor.sign_in(ann)
    await expect(visitor.page.get_by_role("navigation")).to_contain_text("No conversations yet")
    await visitor.page.get_by_role("button", name="New chat").click()
    status = visitor.page.get_by_role("dialog").get_by_role("status")
    await expect(status).to_have_text("No conversations yet. Write a name or an address.")
    await visitor.by_label("Name or address").fill("zz")
    await expect(status).to_have_text("Write 3 letters or more to find people.")
    await visitor.by_label("Name or address").fill("zzz")
    await expect(status).to_contain_text("Nobody found")


async def test_field_to_write_in_is_as_high_as_its_text(
    visit: Visit, signing_in: SigningIn
) -> None:
    ann, ben, cid = signing_in.server.accounts("ann", "ben", "cid")
    visitor = await visit()
    await visitor.sign_in(ann)
    field = visitor.by_label("Message")
    hidden = "field => field.scrollHeight - field.clientHeight"
    await visitor.chat(ben.jid)
    assert await field.evaluate(hidden) == 0
    await field.fill("one\ntwo\nthree")
    assert await field.evaluate(hidden) == 0
    await visitor.chat(cid.jid)
    assert await field.evaluate(hidden) == 0
    await visitor.chat(ben.jid)
    assert await field.evaluate(hidden) == 0
    await expect(field).to_have_value("one\ntwo\nthree")


async def test_picture_of_a_person_is_shown_to_others(visit: Visit, signing_in: SigningIn) -> None:
    ann, ben = signing_in.server.accounts("ann", "ben")
    visitor, other = await visit(), await visit()
    await visitor.sign_in(ann)
    await visitor.page.get_by_role("button", name="Your account").click()
    file = {"name": "me.png", "mimeType": "image/png", "buffer": PNG}
    await visitor.by_label("Picture").set_input_files(file)
    await expect(visitor.page.get_by_text("Your picture is saved.")).to_be_visible()
    await visitor.by_label("Name that others see").fill("Ann Archer")
    await visitor.page.get_by_role("button", name="Save the name").click()
    await expect(visitor.page.get_by_text("Your name is saved.")).to_be_visible()

    await other.sign_in(ben)
    await other.chat(ann.jid)
    await expect(other.page.locator("#conversation .avatar img").first).to_be_visible()
    await other.say("Nice picture")
    await expect(other.page.get_by_role("link", name="Ann Archer")).to_be_visible()

    # The conversation has the avatar now, so nobody asks for the profile again.
    asked: list[str] = []
    other.page.on("request", lambda request: asked.append(request.url))
    await other.page.reload()
    await expect(other.page.locator(".conversation .avatar img")).to_be_visible()
    await expect(other.page.get_by_role("link", name="Ann Archer")).to_be_visible()
    people = [
        url.rpartition("/users/")[2] for url in asked if ann.user in url and "/users/" in url
    ]
    assert people
    assert all(path.endswith("/avatar") for path in people)


async def test_gap_is_told_between_the_messages_around_it(
    opened: Opened, signing_in: SigningIn
) -> None:
    visitor = opened.visitor
    # The page asks in vain while the server is away.
    visitor.expect_problem("ERR_|502|503|504|429")
    await visitor.say("before the gap")
    await expect(visitor.page.locator("li.pending")).to_have_count(0)
    await expect(visitor.page.locator(".gap")).to_be_hidden()

    await asyncio.to_thread(signing_in.server.muniment.restart)

    gap = visitor.page.locator(".gap:visible")
    await expect(gap).to_contain_text("Messages may be missing here: ")
    await visitor.say("behind the gap")
    behind = visitor.message("behind the gap")
    await expect(behind.locator(".gap")).to_be_visible()
    await expect(gap).to_have_count(1)
    assert await visitor.violations() == []


async def test_what_was_written_stays_when_the_sign_in_is_lost(
    visit: Visit, signing_in: SigningIn
) -> None:
    ann, ben, cid = signing_in.server.accounts("ann", "ben", "cid")
    visitor = await visit()
    page = visitor.page
    visitor.expect_problem("401")
    await visitor.sign_in(ann)
    await visitor.chat(cid.jid)
    await visitor.by_label("Message").fill("a draft for Cid")
    await visitor.chat(ben.jid)
    await visitor.by_label("Message").fill("another draft")
    await visitor.chat(cid.jid)
    await expect(visitor.by_label("Message")).to_have_value("a draft for Cid")
    await visitor.chat(ben.jid)
    await expect(visitor.by_label("Message")).to_have_value("another draft")

    async def end_sign_in(route: Route) -> None:
        # Elsewhere the user signs out everywhere; the page learns it as it sends.
        if route.request.method == "POST":
            async with signing_in.user(await signing_in.sign_in(ann)) as http:
                assert (await http.delete("/api/v1/tokens")).ok
        await route.continue_()

    await page.route("**/messages", end_sign_in)
    await visitor.say("sent without a sign-in")
    await expect(page.get_by_role("alert")).to_contain_text("what you have written is still there")
    await page.unroute("**/messages")

    await visitor.sign_in(ann)
    await visitor.chat(ben.jid)
    await expect(visitor.message("sent without a sign-in").locator(".mark")).to_be_visible()
    await expect(visitor.by_label("Message")).to_have_value("")
    await visitor.chat(cid.jid)
    await expect(visitor.by_label("Message")).to_have_value("a draft for Cid")
    await page.get_by_role("button", name="Your account").click()
    await page.get_by_role("button", name="Sign out").click()
    await visitor.by_label("Address").wait_for()
    assert await page.evaluate(STORED) == [0, 0]
