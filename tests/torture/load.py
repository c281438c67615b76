"""Load on a server, with a history of what was acknowledged, which the archives have to match.

One user talks to another one over XMPP: what the server delivers has to be in both archives, once
and in order, unless its time is in a recorded gap. Programs post over HTTP, and repeat each post
until it is acknowledged: then it has to be in the archive, once and in order.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import zip_longest

from aiohttp import ClientError, ClientSession, ClientTimeout
from support.ejabberd import Account
from support.muniment import Muniment
from support.raw import Client
from support.remote_data import incoming, path, session
from support.server import Server
from support.stanzas import body_of

from component.core.xml.times import now, parse_time

#: The longest wait of a test that fails, on a loaded machine.
DEADLINE = 90.0

#: Seconds between two messages of a user, and before a post is repeated.
PAUSE, REPEAT = 0.03, 0.1

#: Microseconds by which the end of a connection and a message may be mistaken for each other.
MARGIN = 1_000_000

LAST = "the last message"


@dataclass
class Load:
    """What was sent, delivered and acknowledged so far."""

    server: Server
    sender: Client
    recipient: Client
    owner: Account  #: of the archive that programs post to
    #: texts of the sender in order, with the time in microseconds
    said: dict[str, int] = field(default_factory=dict)
    #: acknowledged texts of each program that posts, in order
    acknowledged: dict[int, list[str]] = field(default_factory=dict)
    #: other answers to posts, by status; 0: none, because the connection was lost
    refused: Counter[int] = field(default_factory=Counter)
    is_silent: bool = False
    is_over: bool = False

    @property
    def posted(self) -> int:
        """The number of acknowledged posts."""
        return sum(map(len, self.acknowledged.values()))

    @property
    def delivered(self) -> int:
        """The number of delivered messages."""
        return sum(body_of(stanza) is not None for stanza in self.recipient.received)

    async def goes_on(self, *, posts: int = 0, messages: int = 0) -> None:
        """Return when as many further posts were acknowledged, and messages delivered."""
        posts += self.posted
        messages += self.delivered
        await until(
            lambda: self.posted >= posts and self.delivered >= messages, "the load goes on"
        )

    async def is_refused(self, *statuses: int) -> None:
        """Return when a further post is refused with one of these statuses."""
        count = sum(self.refused[status] for status in statuses)
        await until(
            lambda: sum(self.refused[status] for status in statuses) > count,
            f"a post is refused with {statuses}",
        )

    async def talk(self) -> None:
        """Say something all the time."""
        while not self.is_over:
            if not self.is_silent:
                self.say(f"message {len(self.said)}")
            await asyncio.sleep(PAUSE)

    @asynccontextmanager
    async def silence(self) -> AsyncIterator[None]:
        """Say nothing while the context is open; before, wait until the archives have all."""
        self.is_silent = True
        last = [*self.said][-1]
        async with session(self.server.muniment) as http:
            for talker in (self.sender, self.recipient):
                await bodies_up_to(last, http, talker.account.jid)
        yield
        self.is_silent = False

    def say(self, text: str) -> None:
        """Say a text that is different from all others."""
        self.said[text] = time.time_ns() // 1000
        self.sender.say(self.recipient.account.jid, text)

    async def post(self, program: int) -> None:
        """Post all the time, as a program that repeats what was not acknowledged."""
        texts = self.acknowledged.setdefault(program, [])
        timeout = ClientTimeout(total=DEADLINE / 2)
        async with ClientSession(
            timeout=timeout, headers={"X-Api-Key": self.server.muniment.secret}
        ) as http:
            while not self.is_over:
                text = f"post {program} {len(texts)}"
                message = incoming(self.owner, text)
                while (status := await self._posted(http, message)) != 200:
                    self.refused[status] += 1
                    if self.is_over:
                        return
                    await asyncio.sleep(REPEAT)
                texts.append(text)

    async def _posted(self, http: ClientSession, message: dict[str, str]) -> int:
        muniment = self.server.muniment
        url = muniment.url + path(muniment, self.owner)
        try:
            async with http.post(url, json=message) as response:
                await response.read()
                return response.status
        except (ClientError, TimeoutError):
            return 0

    async def check(self, *, may_have_gaps: bool) -> None:
        """Compare the archives with the history, after the load. Raises AssertionError."""
        self.sender.say(self.recipient.account.jid, LAST)
        await self.recipient.wait_for_body(LAST, DEADLINE)
        async with session(self.server.muniment) as http:
            for talker in (self.sender, self.recipient):
                stored = await bodies_up_to(LAST, http, talker.account.jid)
                gaps = await recorded_gaps(http)
                assert may_have_gaps or not gaps
                self.check_talk(stored[:-1], gaps)
            self.check_posts(await bodies(http, self.owner.jid) if self.posted else [])

    def check_talk(self, stored: Sequence[str], gaps: Sequence[tuple[int, int]]) -> None:
        """Compare an archive with what was said. Raises AssertionError."""
        there = Counter(stored)
        twice = [text for text, count in there.items() if count > 1]
        assert twice == [], "these are there more than once"
        whole = [text for text, at in self.said.items() if not _is_in(gaps, at)]
        lost = [text for text in whole if text not in there]
        assert lost == [], f"missing, and in none of the gaps {gaps}"
        # A message whose first copy is lost with the connection waits two seconds for the second.
        known = set(whole)
        in_order = [text for text in stored if text in known]
        assert in_order == whole, f"out of order: {_differing(whole, in_order)}"
        assert there.keys() <= self.said.keys(), "nobody said it"

    def check_posts(self, stored: Sequence[str]) -> None:
        """Compare an archive with what was acknowledged. Raises AssertionError."""
        for program, texts in self.acknowledged.items():
            its = [text for text in stored if text.startswith(f"post {program} ")]
            assert its[: len(texts)] == texts, "not each acknowledged post once and in order"
            # It may have ended before it was told that the last one is stored.
            assert its[len(texts) :] in ([], [f"post {program} {len(texts)}"])


@asynccontextmanager
async def load(
    server: Server, *, programs: int = 3, may_have_gaps: bool = False
) -> AsyncIterator[Load]:
    """Run a load while the context is open, and then compare the archives with its history.

    With `may_have_gaps` messages may be missing whose times are in a recorded gap.
    """
    alice, bob, carol = server.accounts("alice", "bob", "carol")
    async with AsyncExitStack() as stack:
        talkers = [
            await stack.enter_async_context(server.client(account)) for account in (alice, bob)
        ]
        for talker in talkers:
            await talker.be_available()
        running = Load(server, *talkers, carol)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(running.talk())
                for program in range(programs):
                    tasks.create_task(running.post(program))
                await running.goes_on(messages=30, posts=10 * programs)
                yield running
                await is_ready(server.muniment)
                # The last gap has ended long ago then.
                await running.goes_on(messages=100, posts=3 * programs)
                running.is_over = True
            await talkers[0].settled(DEADLINE)
            await running.check(may_have_gaps=may_have_gaps)
        finally:
            print(
                f"{len(running.said)} messages, {running.posted} acknowledged posts, others:"
                f" {dict(running.refused)}"
            )


def _is_in(gaps: Sequence[tuple[int, int]], at: int) -> bool:
    """Return whether a time is in a gap, or so near that its message may be lost or late."""
    return any(begin - MARGIN <= at <= end + MARGIN for begin, end in gaps)


def _differing(expected: Sequence[str], stored: Sequence[str]) -> list[tuple[str, str]]:
    """Return the places at which two lists differ, with what is there in each."""
    return [pair for pair in zip_longest(expected, stored) if pair[0] != pair[1]][:20]


async def is_ready(muniment: Muniment) -> None:
    """Return when every part can do its work."""
    await asyncio.to_thread(muniment.wait_until, muniment.is_ready, "is ready", DEADLINE)


async def is_not_ready(muniment: Muniment) -> None:
    """Return when Muniment reports that it cannot do all its work."""
    await asyncio.to_thread(
        muniment.wait_until, lambda: not muniment.is_ready(), "reports it", DEADLINE
    )


async def until(is_true: Callable[[], bool], condition: str) -> None:
    """Return when `is_true` returns True. Raises TimeoutError with the condition."""
    end = time.monotonic() + DEADLINE
    while not is_true():
        if time.monotonic() > end:
            raise TimeoutError(condition)
        await asyncio.sleep(PAUSE)


async def bodies(http: ClientSession, owner: str) -> list[str]:
    """Return the texts of a whole archive, in order. Fails if ids or pages repeat anything."""
    texts: list[str] = []
    ids: list[str] = []
    parameters = {"limit": "250", "xml": "false"}
    while True:
        async with http.get(f"/api/v1/archives/{owner}/messages", params=parameters) as response:
            assert response.status == 200, await response.text()
            page = await response.json()
        texts += [message["body"] for message in page["messages"]]
        ids += [message["id"] for message in page["messages"]]
        if page["complete"]:
            assert len(set(ids)) == len(ids)
            return texts
        parameters["after"] = ids[-1]


async def bodies_up_to(last: str, http: ClientSession, owner: str) -> list[str]:
    """Return the texts of an archive when it has the last one."""
    async with asyncio.timeout(DEADLINE):
        while True:
            stored = await bodies(http, owner)
            if stored[-1:] == [last]:
                return stored
            await asyncio.sleep(PAUSE)


async def recorded_gaps(http: ClientSession) -> list[tuple[int, int]]:
    """Return the beginnings and ends of all gaps, in microseconds."""
    async with http.post("/api/v1/commands/gaps", json={}) as response:
        assert response.status == 200, await response.text()
        rows = (await response.json())["rows"]
    return [
        (parse_time(row["from"]), parse_time(row["to"]) if row["to"] else now()) for row in rows
    ]
