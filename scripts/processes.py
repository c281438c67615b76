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
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from statistics import median

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support import mam
from support.load import Answers, faults, load
from support.muniment import Muniment
from support.postgres import FAST, Postgres
from support.processes import Processes
from support.releases import unpacked

#: Each third process is stopped, the others are killed.
STOP_EACH = 3


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
            f"queries: {answers.count} answered, {answers.lost} without an answer,"
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
            found = faults(sent, bodies)
            print(f"{name} archive: {count} sent, {found}")
            is_right = is_right and not found
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
