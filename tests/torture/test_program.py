"""The program is killed, frozen, and has neither memory nor file descriptors left; clocks jump."""

from __future__ import annotations

import asyncio
import random
import resource
import socket
import sqlite3
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path

from support import mam
from support.command import ROOT, command_line, run_command
from support.muniment import DATABASE, Muniment
from support.pool import lent_ejabberd
from support.ports import LOOPBACK
from support.releases import Release
from support.server import Server

from component.core.xml.times import parse_time
from torture.load import bodies, is_ready, load, session

#: Kills, and the longest time between a start and a kill, in seconds.
KILLS, KILL_SECONDS = 5, 2.0

#: Seconds for which another program locks the store, the disk or a process.
LOCKED = 30.0
FROZEN = 8.0

#: Seconds of the load whose memory is measured, and of the load before: copies are remembered for
#: a minute.
LONG, WARM = 45.0, 75.0

#: Bytes of memory that a long load may add: allocators keep some.
GROWTH = 8 << 20

#: Characters of a large message; ejabberd lets a user send five of them in a second.
LARGE = 8_000

#: The library that sets clocks, where Debian has it.
FAKETIME = "/usr/$LIB/faketime/libfaketimeMT.so.1"


async def test_acknowledged_messages_survive_kills_at_random_times(own_server: Server) -> None:
    async with load(own_server, may_have_gaps=True) as running:
        for _ in range(KILLS):
            await asyncio.sleep(random.uniform(0, KILL_SECONDS))  # noqa: S311
            await asyncio.to_thread(own_server.muniment.kill)
            await asyncio.to_thread(own_server.muniment.start)
            await running.goes_on(posts=1)


async def test_frozen_program_has_every_message_afterwards(own_server: Server) -> None:
    async with load(own_server) as running:
        await asyncio.to_thread(own_server.muniment.pause)
        await asyncio.sleep(FROZEN)
        own_server.muniment.resume()
        await running.goes_on(posts=3)


async def test_locked_store_delays_messages_and_loses_none(own_server: Server) -> None:
    async with load(own_server) as running:
        with closing(sqlite3.connect(own_server.muniment.folder / DATABASE)) as other:
            other.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(LOCKED)
            other.rollback()
        await running.goes_on(posts=20, messages=20)


async def test_program_without_memory_keeps_what_it_acknowledged(own_server: Server) -> None:
    """Allocations fail at any place in the code, and then the program ends or goes on."""
    async with load(own_server, may_have_gaps=True) as running:
        for spare in (1 << 20, 4 << 20, 12 << 20):
            pid = own_server.muniment.pid
            limit = status(pid, "VmSize") + spare
            resource.prlimit(pid, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
            for n in range(20):
                running.say(f"large {spare} {n} " + "x" * LARGE)
                await asyncio.sleep(0.1)
            if own_server.muniment.is_running:
                await asyncio.to_thread(own_server.muniment.kill)
            else:
                own_server.muniment.wait()
            await asyncio.to_thread(own_server.muniment.start)
            await running.goes_on(posts=3)


async def test_program_without_file_descriptors_goes_on_archiving(own_server: Server) -> None:
    muniment = own_server.muniment
    async with load(own_server) as running:
        hard = resource.prlimit(muniment.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(
            muniment.pid, resource.RLIMIT_NOFILE, (descriptors(muniment) + 8, hard[1])
        )
        with ExitStack() as stack:
            for _ in range(40):
                stack.enter_context(
                    closing(socket.create_connection((LOOPBACK, muniment.http_port)))
                )
            await running.goes_on(messages=60)
            assert muniment.is_running
        await is_ready(muniment)
        await running.goes_on(posts=20)


async def test_long_load_takes_no_more_memory_and_descriptors(own_server: Server) -> None:
    muniment = own_server.muniment
    async with load(own_server) as running:
        samples: list[tuple[int, int]] = []
        began = time.monotonic()
        while time.monotonic() - began < WARM + LONG:
            async with session(muniment) as http:
                await bodies(http, running.recipient.account.jid)
            if time.monotonic() - began > WARM:
                samples.append((status(muniment.pid, "VmRSS"), descriptors(muniment)))
            await asyncio.sleep(0.5)
    third = len(samples) // 3
    first, last = samples[:third], samples[-third:]
    assert min(memory for memory, _ in last) < max(memory for memory, _ in first) + GROWTH
    assert min(count for _, count in last) <= max(count for _, count in first)


async def test_backup_under_load_has_what_was_acknowledged_before(
    own_server: Server, tmp_path: Path
) -> None:
    muniment = own_server.muniment
    async with load(own_server) as running:
        for n in range(3):
            copy = tmp_path / f"copy-{n}.db"
            before = {program: list(texts) for program, texts in running.acknowledged.items()}
            made = await asyncio.to_thread(
                run_command, "backup", "--config", str(muniment.config_path), str(copy)
            )
            assert made.returncode == 0, made.stderr
            verified = await asyncio.to_thread(
                run_command, "verify", "--config", str(muniment.config_path), str(copy)
            )
            assert verified.returncode == 0, verified.stderr
            copied = copy.read_bytes()
            for texts in before.values():
                for text in texts:
                    assert text.encode() in copied


class Timed(Muniment):
    """Muniment with a clock that a test sets."""

    def __init__(self, folder: Path, *arguments: object, **options: object) -> None:
        super().__init__(folder, *arguments, **options)  # type: ignore[arg-type]
        folder.mkdir()
        self._offset = folder / "offset"
        self.set_clock("+0")

    def set_clock(self, value: str) -> None:
        """Set the clock to a time, "@2026-10-25 00:59:50", or by seconds, "-3600"."""
        written = self._offset.with_suffix(".new")
        written.write_text(f"{value}\n")
        written.replace(self._offset)

    def launch_muniment(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        # A library that is loaded first has to be there from the start of the process.
        clock = {
            "LD_PRELOAD": FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "TZ": "Europe/Paris",
        }
        self.launch(
            command_line(*arguments), cwd=ROOT, environment={**clock, **(environment or {})}
        )


async def test_clock_that_jumps_loses_and_repeats_nothing(
    tmp_path: Path, release: Release
) -> None:
    with (
        lent_ejabberd(tmp_path / "ejabberd", release) as ejabberd,
        Timed(tmp_path / "muniment", ejabberd) as muniment,
    ):
        # The times of posts are those of their senders, which would be in the future.
        async with load(Server(ejabberd, muniment), programs=0) as running:
            times: list[int] = []
            for value in ("+3600", "-3600", "+0", "@2026-10-25 02:59:55", "-1", "+0"):
                # The copies of one message are milliseconds apart, and recognised by that.
                async with running.silence():
                    muniment.set_clock(value)
                await running.goes_on(messages=60)
                newest = await mam.query(running.sender, max=1, before="")
                times.append(parse_time(newest.results[0].stamp))
            assert max(times) - min(times) > 7000 * 1_000_000, "no jump was seen"


def status(pid: int, name: str) -> int:
    """Return a size of the memory of a process in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


def descriptors(muniment: Muniment) -> int:
    """Return the number of files that a program has open."""
    return len([*Path(f"/proc/{muniment.pid}/fd").iterdir()])
