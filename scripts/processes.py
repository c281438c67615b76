#!/usr/bin/env python3
"""Kill and stop processes of Muniment in turn under load, and check both archives at the end.

Several processes share one PostgreSQL beside one real ejabberd. Users send messages all the time,
one user asks for the archive all the time, and another one follows it over HTTP. Prints the
result: messages that are missing, stored twice or out of order, and the longest time without an
answer. `make processes` runs it; it takes two minutes and is not part of `make test`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from itertools import pairwise
from math import inf
from pathlib import Path
from statistics import median

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support import mam
from support.mam_payloads import archive_query
from support.muniment import Muniment
from support.postgres import FAST, Postgres
from support.processes import Processes
from support.raw import Client, Lost
from support.releases import unpacked
from support.stanzas import Refused

#: Seconds between two queries, and until a query counts as lost.
ASK_SECONDS, LOST_SECONDS = 0.05, 10.0

#: ejabberd refuses a query after 32 seconds if the process that has it does not answer.
EJABBERD_SECONDS = 60.0

#: Each third process is stopped, the others are killed.
STOP_EACH = 3


class Answers:
    """Measures for how long no archive query is answered."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()  # by the error
        self.lost = 0  # queries that were with a process when it was killed
        self._answered: list[float] = []  # when each query was sent that was answered
        self._asking: set[asyncio.Task[None]] = set()

    async def ask(self, client: Client) -> None:
        """Ask all the time until cancelled; no query waits for the answer to another one."""
        while True:
            task = asyncio.create_task(self._ask(client, time.monotonic()))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            await asyncio.sleep(ASK_SECONDS)

    async def _ask(self, client: Client, sent_at: float) -> None:
        try:
            await client.ask("set", archive_query(max=1, before=""), seconds=EJABBERD_SECONDS)
        except Lost:
            return  # the client has logged out
        except Refused as error:
            if time.monotonic() - sent_at < LOST_SECONDS:
                self.refused[str(error)] += 1
            else:
                self.lost += 1
        else:
            self._answered.append(sent_at)

    @property
    def count(self) -> int:
        """The number of answers."""
        return len(self._answered)

    def delays(self, ends: Sequence[float]) -> list[float]:
        """Return the seconds from the end of each process to the next query that was answered."""
        times = sorted(self._answered)
        return sorted(next((at for at in times if at > end), inf) - end for end in ends)


class Follower:
    """Follows an archive by a live stream, at whichever process runs."""

    def __init__(self, owner: str) -> None:
        self.bodies: list[str] = []
        self._owner = owner
        self._last = "start"

    async def follow(self, muniments: tuple[Muniment, ...]) -> None:
        """Follow until cancelled, and continue behind the last id at the next process."""
        turn = 0
        while True:
            muniment = muniments[turn % len(muniments)]
            turn += 1
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                await self._follow(muniment)
            await asyncio.sleep(0.05)

    async def _follow(self, muniment: Muniment) -> None:
        url = f"{muniment.url}/api/v1/archives/{self._owner}/stream"
        async with (
            aiohttp.ClientSession(headers={"X-Api-Key": muniment.secret}) as session,
            session.get(url, params={"after": self._last}) as response,
        ):
            if response.status != 200:
                return
            async for line in response.content:
                text = line.decode().strip()
                if text.startswith("data:"):
                    self.bodies.append(json.loads(text[5:])["body"])
                elif text.startswith("id:"):
                    self._last = text[3:].strip()


async def load(sender: Client, to: Client, name: str, rate: float, sent: list[str]) -> None:
    """Send messages at a rate until cancelled."""
    began = time.monotonic()
    while True:
        while len(sent) < (time.monotonic() - began) * rate:
            body = f"{name} {len(sent)}"
            sent.append(body)
            sender.say(to.account.jid, body)
        await asyncio.sleep(0.01)


async def disturb(
    muniments: tuple[Muniment, ...], seconds: float
) -> tuple[list[float], list[float]]:
    """Kill, stop and start the processes in turn; return when they were killed and stopped."""
    kills: list[float] = []
    stops: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        count = len(kills) + len(stops)
        muniment = muniments[count % len(muniments)]
        if count % STOP_EACH == STOP_EACH - 1:
            stops.append(time.monotonic())
            await asyncio.to_thread(muniment.stop)
        else:
            kills.append(time.monotonic())
            await asyncio.to_thread(muniment.kill)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(muniment.start)
        await asyncio.sleep(0.5)
    return kills, stops


def faults(sent: dict[str, list[str]], archived: list[str]) -> tuple[int, int, int]:
    """Return the numbers of messages that are missing, twice there, and out of order."""
    expected = [body for bodies in sent.values() for body in bodies]
    missing = len(set(expected) - set(archived))
    twice = len(archived) - len(set(archived))
    disordered = 0
    for name in sent:
        numbers = [int(body.split()[1]) for body in archived if body.split()[0] == name]
        disordered += sum(later < earlier for earlier, later in pairwise(numbers))
    return missing, twice, disordered


async def disturbed(processes: Processes, seconds: float, rate: float) -> bool:
    """Run the load and the disturbances, print the result, and return whether all is right."""
    alice, bob, reader = processes.accounts("alice", "bob", "reader")
    sent: dict[str, list[str]] = {"alice": [], "bob": []}
    answers, follower = Answers(), Follower(bob.jid)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(processes.client(account))
            for account in (alice, bob, reader)
        ]
        for client in clients:
            await client.be_available()
        a, b, r = clients
        tasks = [
            asyncio.create_task(load(a, b, "alice", rate / 2, sent["alice"])),
            asyncio.create_task(load(b, a, "bob", rate / 2, sent["bob"])),
        ]
        readers = [
            asyncio.create_task(answers.ask(r)),
            asyncio.create_task(follower.follow(processes.muniments)),
        ]
        kills, stops = await disturb(processes.muniments, seconds)
        for task in tasks:
            task.cancel()
        for client in clients[:2]:
            await client.settled(seconds=60)
        count = sum(map(len, sent.values()))
        for _ in range(600):
            if len(set(follower.bodies)) >= count:
                break
            await asyncio.sleep(0.1)
        for task in readers:
            task.cancel()
        print(
            f"{len(processes.muniments)} processes, {seconds:g} s:"
            f" {len(kills)} killed, {len(stops)} stopped"
        )
        print(
            f"queries: {answers.count} answered, {answers.lost} with a process when it was killed,"
            f" refused: {dict(answers.refused)}"
        )
        delays = answers.delays([*kills, *stops])
        print(
            "from the end of a process to the next query that was answered:"
            f" median {median(delays):.2f} s, at most {delays[-1]:.2f} s"
        )
        is_right = True
        archives = {"alice's": a, "bob's": b}
        results = {name: [str(x) for x in await mam.bodies(c)] for name, c in archives.items()}
        results["stream of bob's"] = follower.bodies
        for name, bodies in results.items():
            missing, twice, disordered = faults(sent, bodies)
            print(
                f"{name} archive: {count} sent, {missing} missing, {twice} twice,"
                f" {disordered} out of order"
            )
            is_right = is_right and not (missing or twice or disordered)
    return is_right


def main() -> int:
    """Run it with the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ejabberd", default="26.07", metavar="VERSION")
    parser.add_argument("--processes", type=int, default=3, metavar="COUNT")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--rate", type=float, default=200.0, help="messages in a second")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="muniment-processes-"))
    folder.chmod(0o711)
    postgres = Postgres(folder, {**FAST, "fsync": "on", "synchronous_commit": "on"})
    postgres.start()
    try:
        url = postgres.create("muniment")
        release = unpacked(chosen.ejabberd)
        print(f"ejabberd {release.version}")
        with Processes.running(folder, release, url, chosen.processes) as processes:
            is_right = asyncio.run(disturbed(processes, chosen.seconds, chosen.rate))
        print("right" if is_right else f"WRONG: the logs are in {folder}")
    finally:
        postgres.abandon()
    if is_right:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
