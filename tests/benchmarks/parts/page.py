"""The chat page in a browser: its first paint, and the time from a click to a conversation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from hashlib import blake2b
from pathlib import Path

from support.browser import Visitor, visitor
from support.converse import chromium
from support.ejabberd import Account
from support.muniment import DATABASE
from support.releases import unpacked, versions
from support.sign_in_server import sign_in_server

from benchmarks.contenders import D
from benchmarks.plan import Plan
from benchmarks.samples import Sample, of_turn, percentile
from benchmarks.workspace import Workspace
from storage.open import open_storage
from storage.rows import Direction, NewMessage

PART = "page"

#: Conversations of the user, and messages in each of them.
CONVERSATIONS = 10
MESSAGES = 1_000

#: Microseconds of the first message, and between two.
BEGIN = 1_700_000_000_000_000
STEP = 60_000_000

#: Returns the milliseconds from the begin of the request to the first paint of a text.
PAINTS = """() => performance.getEntriesByName("first-contentful-paint")[0].startTime"""

#: Clicks on a conversation, and returns the milliseconds until 50 of its messages are painted.
CLICK = """(jid) => new Promise((resolve) => {
    const begun = performance.now();
    const ready = `#conversation[data-jid="${jid}"][data-state="ready"]`;
    const isThere = () => document.querySelector(ready)
        && document.querySelectorAll("li.row").length >= 50;
    const look = () => isThere()
        ? requestAnimationFrame(() => resolve(performance.now() - begun))
        : requestAnimationFrame(look);
    document.querySelector(`a[href="#/chat/${encodeURIComponent(jid)}"]`).click();
    look();
})"""


async def measure(plan: Plan, space: Workspace) -> AsyncIterator[list[Sample]]:
    """Open the page in each round, with an empty cache, and click on each conversation once."""
    with space.fresh(D.key) as folder, sign_in_server(folder, unpacked(versions()[-1])) as server:
        (ann,) = server.server.accounts("ann")
        muniment = server.server.muniment
        muniment.stop()
        peers = [f"friend{number}@{ann.host}" for number in range(CONVERSATIONS)]
        await _fill(muniment.folder / DATABASE, ann.jid, peers)
        muniment.start()
        async with chromium() as browser:
            for number in range(plan.rounds):
                async with visitor(browser, server.url) as user:
                    figures = await _turn(user, ann, peers)
                yield of_turn(PART, D.key, number, figures)


async def _turn(user: Visitor, ann: Account, peers: list[str]) -> dict[str, float]:
    await user.open()
    await user.by_label("Address").wait_for()
    first = await user.page.evaluate(PAINTS)
    await user.sign_in(ann)
    await user.page.locator(".conversation").nth(CONVERSATIONS - 1).wait_for()
    clicks = [await user.page.evaluate(CLICK, peer) for peer in peers]
    return {
        "first_paint_ms": first,
        "p50_ms": percentile(clicks, 50),
        "p99_ms": percentile(clicks, 99),
    }


async def _fill(database: Path, owner: str, peers: list[str]) -> None:
    async with open_storage(f"sqlite:{database}", synchronous="off") as storage:
        for number, peer in enumerate(peers):
            at = BEGIN + number * MESSAGES * STEP
            await storage.archive.append(
                [_message(owner, peer, at + n * STEP, n) for n in range(MESSAGES)]
            )


def _message(owner: str, peer: str, at: int, number: int) -> NewMessage:
    body = f"message {number} " + "with some words " * (number % 10)
    return NewMessage(
        owner=owner,
        at=at,
        peer=peer,
        resource="",
        type="chat",
        direction=Direction.SENT,
        xml=f"<message xmlns='jabber:client' type='chat' from='{owner}' to='{peer}'>"
        f"<body>{body}</body></message>",
        dedup_key=blake2b(f"{peer} {number}".encode(), digest_size=16).digest(),
        is_seen=True,
    )
