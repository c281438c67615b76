#!/usr/bin/env python3
"""Have processes of Muniment take over from each other under load, and check all archives.

One store in SQLite beside one real ejabberd. Users send messages all the time, one user asks for
the archive all the time. Prints the rate that the machine has reached, the longest times without
an answer over XMPP and HTTP, and the messages that are missing, stored twice or out of order.
`make take-over` runs it; it is not part of `make test`.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from statistics import median

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.ejabberd import Account
from support.mam_payloads import archive_query
from support.muniment import DATABASE
from support.raw import Client
from support.releases import unpacked
from support.server import Server

#: Seconds between two queries, and after which ejabberd refuses a query.
ASK_SECONDS, EJABBERD_SECONDS = 0.05, 60.0

#: Seconds after which archives without a new message are complete.
QUIET_SECONDS = 10.0

#: A sender waits while the recipient has so many messages still to receive.
AHEAD_MAX = 3000

_BODY = re.compile(r"<body>(\d+)</body>")

_ARCHIVE = """
SELECT archive.xml FROM archive JOIN owners ON owners.number = archive.owner
WHERE owners.jid = ? ORDER BY archive.sequence
"""


class Pair:
    """A sender, its recipient, and the number of messages between them."""

    def __init__(self, sender: Account, recipient: Account) -> None:
        self.accounts = (sender, recipient)
        self.sent = self.received = 0

    async def load(self, sender: Client, recipient: Client, rate: float) -> None:
        """Send messages at a rate, or as fast as the server delivers them, until cancelled."""

        def note(stanza: object) -> None:
            self.received += 1

        began = time.monotonic()
        with recipient.listening(note):
            while True:
                due = min((time.monotonic() - began) * rate, self.received + AHEAD_MAX)
                while self.sent < due:
                    sender.say(recipient.account.jid, str(self.sent))
                    self.sent += 1
                await asyncio.sleep(0.01)

    def faults(self, database: sqlite3.Connection) -> tuple[int, int, int]:
        """Return how many messages are missing, twice there, and out of order in its archives."""
        missing = twice = disordered = 0
        for account in self.accounts:
            rows = database.execute(_ARCHIVE, (account.jid,))
            numbers = [int(match[1]) for (xml,) in rows if (match := _BODY.search(xml))]
            missing += self.sent - len(set(numbers))
            twice += len(numbers) - len(set(numbers))
            disordered += sum(later < earlier for earlier, later in pairwise(numbers))
        return missing, twice, disordered


class Waits:
    """The times without an answer over XMPP and over HTTP."""

    def __init__(self) -> None:
        self.queries: list[float] = []
        self.requests: list[float] = []

    async def ask(self, client: Client) -> None:
        """Ask for the archive all the time until cancelled."""
        while True:
            began = time.monotonic()
            try:
                await client.ask("set", archive_query(max=1, before=""), seconds=EJABBERD_SECONDS)
            finally:
                self.queries.append(time.monotonic() - began)
            await asyncio.sleep(ASK_SECONDS)

    async def request(self, url: str) -> None:
        """Ask over HTTP all the time until cancelled."""
        answered = time.monotonic()
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"{url}/health/live") as response:
                        response.raise_for_status()
                except (aiohttp.ClientError, OSError):
                    await asyncio.sleep(ASK_SECONDS)
                    continue
                self.requests.append(time.monotonic() - answered)
                answered = time.monotonic()
                await asyncio.sleep(ASK_SECONDS)


async def run(server: Server, take_overs: int, rate: float, pairs: int) -> list[Pair]:
    """Run the load and the take-overs, print times, and return what was sent."""
    names = [f"{side}{number}" for number in range(pairs) for side in ("sender", "recipient")]
    accounts = server.accounts(*names, "reader")
    loaded = [Pair(accounts[number], accounts[number + 1]) for number in range(0, 2 * pairs, 2)]
    waits, times = Waits(), []
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(server.client(account)) for account in accounts]
        for client in clients:
            await client.be_available()
        readers = [
            asyncio.create_task(waits.ask(clients[-1])),
            asyncio.create_task(waits.request(server.muniment.url)),
        ]
        senders = [
            asyncio.create_task(pair.load(clients[2 * n], clients[2 * n + 1], rate / pairs))
            for n, pair in enumerate(loaded)
        ]
        began = time.monotonic()
        for _ in range(take_overs):
            started = time.monotonic()
            await asyncio.to_thread(server.muniment.take_over)
            times.append(time.monotonic() - started)
            await asyncio.sleep(1.0)
        for task in senders:
            task.cancel()
        seconds = time.monotonic() - began
        sent = sum(pair.sent for pair in loaded)
        print(f"{sent} messages in {seconds:.0f} s: {sent / seconds:.0f} messages a second")
        print(f"{take_overs} take-overs: median {median(times):.1f} s, at most {max(times):.1f} s")
        print(
            f"{len(waits.queries)} archive queries, answered after at most"
            f" {max(waits.queries, default=0.0):.1f} s;"
            f" HTTP away for at most {max(waits.requests):.1f} s"
        )
        for client in clients[:-1]:
            await client.settled(seconds=300)
        for task in readers:
            task.cancel()
    await catch_up(server, 2 * sent)
    return loaded


async def catch_up(server: Server, count: int) -> None:
    """Return when all archives together have that many messages, or have no new ones."""
    before = -1
    async with aiohttp.ClientSession(headers={"X-Api-Key": server.muniment.secret}) as session:
        while True:
            url = f"{server.muniment.url}/api/v1/commands/statistics"
            async with session.post(url, json={}) as response:
                values = (await response.json())["values"]
            if values["messages"] in (count, before):
                return
            before = values["messages"]
            await asyncio.sleep(QUIET_SECONDS)


def main() -> int:
    """Run the take-overs with the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ejabberd", default="26.07", metavar="VERSION")
    parser.add_argument("--take-overs", type=int, default=10, metavar="COUNT")
    parser.add_argument("--rate", type=float, default=3000.0, help="messages in a second")
    parser.add_argument("--pairs", type=int, default=8, help="of a sender and a recipient")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="muniment-take-over-"))
    release = unpacked(chosen.ejabberd)
    print(f"ejabberd {release.version}")
    with Server.running(folder, release) as server:
        pairs = asyncio.run(run(server, chosen.take_overs, chosen.rate, chosen.pairs))
        server.muniment.stop()
        database = sqlite3.connect(server.muniment.folder / DATABASE)
        counts = [pair.faults(database) for pair in pairs]
        faults = [sum(kind) for kind in zip(*counts, strict=True)]
        gaps = database.execute("SELECT count(*) FROM gaps").fetchone()[0]
        database.close()
    missing, twice, disordered = faults
    print(
        f"in {2 * len(pairs)} archives: {missing} missing, {twice} twice,"
        f" {disordered} out of order; {gaps} gaps"
    )
    is_right = not any([*faults, gaps])
    print("right" if is_right else f"WRONG: the logs are in {folder}")
    if is_right:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
