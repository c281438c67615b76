"""A conversation of 100,000 messages: the reader scrolls through it and never loses the place."""

from __future__ import annotations

import asyncio
from hashlib import blake2b
from pathlib import Path

import pytest_asyncio
from playwright.async_api import expect
from support.browser import Visit, Visitor
from support.ejabberd import Account
from support.muniment import DATABASE
from support.sign_in_server import SigningIn

from storage.open import open_storage
from storage.rows import Direction, NewMessage

COUNT = 100_000
UNREAD = 60
SEARCHED = 54_321
BATCH = 2_000

#: Microseconds of the first message, and between two.
BEGIN = 1_700_000_000_000_000
STEP = 180_000_000

#: Rows in the document at most.
ROWS_MAX = 400

#: Scrolls by some pixels, waits until no page is on its way, and returns how far the row that was
#: the first one in the view is from where it has to be, how many rows there are, and its text.
SCROLL = """async (delta) => {
    const scroller = document.querySelector(".scroller");
    const list = document.querySelector("ol.rows");
    const view = () => scroller.getBoundingClientRect().top;
    const offset = (row) => row.getBoundingClientRect().top - view();
    const frame = () => new Promise(requestAnimationFrame);
    const first = [...document.querySelectorAll("li.row")]
        .find((row) => row.getBoundingClientRect().bottom > view());
    const before = scroller.scrollTop;
    const old = offset(first);
    scroller.scrollBy({top: delta, behavior: "instant"});
    const moved = scroller.scrollTop - before;
    for (let quiet = 0; quiet < 3; quiet = list.ariaBusy === "true" ? 0 : quiet + 1) {
        await frame();
    }
    return {drift: offset(first) - (old - moved), rows: document.querySelectorAll("li.row").length,
            number: Number(first.querySelector(".text").textContent.split(" ")[1])};
}"""


def body(number: int) -> str:
    """Return the text of a message: one to many lines, so that rows have many heights."""
    return f"message {number} " + "and more words of it " * (number * 7919 % 40)


async def fill(database: Path, owner: str, peer: str) -> None:
    """Store the conversation, as the writer stores copies of stanzas."""
    async with open_storage(f"sqlite:{database}", synchronous="off") as storage:
        for start in range(0, COUNT, BATCH):
            await storage.archive.append(
                [stored(owner, peer, number) for number in range(start, start + BATCH)]
            )


def stored(owner: str, peer: str, number: int) -> NewMessage:
    """Return a message; every third one is the owner's, but none of the last ones."""
    is_own = number % 3 == 0 and number < COUNT - UNREAD
    sender, to = (owner, peer) if is_own else (peer, owner)
    return NewMessage(
        owner=owner,
        at=BEGIN + number * STEP,
        peer=peer,
        resource="",
        type="chat",
        direction=Direction.SENT if is_own else Direction.RECEIVED,
        xml=f"<message xmlns='jabber:client' type='chat' from='{sender}' to='{to}' id='n{number}'>"
        f"<body>{body(number)}</body></message>",
        dedup_key=blake2b(f"{owner} {number}".encode(), digest_size=16).digest(),
        # Only this one is searched for; an index of all would take most of the time.
        text=str(number) if number == SEARCHED else "",
        is_seen=is_own,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def archive(signing_in: SigningIn) -> tuple[Account, str]:
    """Ann, whose archive is filled while Muniment is away, and the address of Ben."""
    ann, ben = signing_in.server.accounts("ann", "ben")
    muniment = signing_in.server.muniment
    await asyncio.to_thread(muniment.stop)
    try:
        await fill(muniment.folder / DATABASE, ann.jid, ben.jid)
    finally:
        await asyncio.to_thread(muniment.start)
    return ann, ben.jid


@pytest_asyncio.fixture(loop_scope="session")
async def ann(visit: Visit, archive: tuple[Account, str]) -> Visitor:
    """Ann, who has opened the conversation."""
    account, ben = archive
    visitor = await visit()
    await visitor.sign_in(account)
    await visitor.chat(ben)
    return visitor


async def test_conversation_opens_at_the_first_unread_message(
    ann: Visitor, archive: tuple[Account, str]
) -> None:
    line = ann.page.locator(".unread-line")
    await expect(line).to_be_in_viewport()
    first = ann.page.locator("li.row", has=line)
    await expect(first).to_contain_text(f"message {COUNT - UNREAD} ")
    await expect(ann.page.get_by_role("button", name="Newest messages")).to_be_visible()
    assert await ann.page.locator("li.row").count() < ROWS_MAX


async def test_reader_scrolls_both_ways_without_a_jump_and_with_few_rows(ann: Visitor) -> None:
    numbers = []
    for delta in [-1500] * 60 + [1500] * 20 + [-400] * 20:
        turn = await ann.page.evaluate(SCROLL, delta)
        assert abs(turn["drift"]) < 1
        assert turn["rows"] < ROWS_MAX
        numbers.append(turn["number"])

    up, down, last = numbers[:60], numbers[60:80], numbers[80:]
    assert up == sorted(up, reverse=True)
    assert down == sorted(down)
    assert last == sorted(last, reverse=True)
    # More rows than the window has were seen, so that it has left the end.
    assert up[-1] < COUNT - ROWS_MAX


async def test_permalink_opens_the_message_in_its_context(
    ann: Visitor, archive: tuple[Account, str]
) -> None:
    await ann.by_label("Message").press("Escape")
    await ann.page.get_by_role("button", name="Search messages").click()
    await ann.page.get_by_role("searchbox", name="Search messages").fill(str(SEARCHED))
    await ann.page.get_by_role("list", name="Results").get_by_role("button").click()

    row = ann.page.locator("li.row.flash")
    await expect(row).to_contain_text(f"message {SEARCHED} ")
    await expect(row).to_be_in_viewport()
    await expect(row.locator("mark")).to_have_text(str(SEARCHED))
    await expect(ann.message(f"message {SEARCHED - 1} ")).to_be_attached()
    await expect(ann.message(f"message {SEARCHED + 1} ")).to_be_attached()
    assert await ann.page.locator("li.row").count() < ROWS_MAX

    await ann.page.get_by_role("button", name="Newest messages").click()
    await expect(ann.message(f"message {COUNT - 1} ")).to_be_in_viewport()


async def test_reader_goes_to_the_first_message_of_a_day(ann: Visitor) -> None:
    day = "2024-02-06"
    begin = await ann.page.evaluate("day => new Date(`${day}T00:00`).getTime()", day)
    number = -(-(begin * 1000 - BEGIN) // STEP)
    await ann.page.get_by_role("button", name="Go to a date").click()
    await ann.by_label("Date").fill(day)
    await ann.page.get_by_role("button", name="Show", exact=True).click()

    row = ann.page.locator("li.row.flash")
    await expect(row).to_contain_text(f"message {number} ")
    await expect(row).to_be_in_viewport()
    await expect(row).to_be_focused()
    await expect(row.locator(".day")).to_be_attached()
