"""How the real command ends: with a store that fails, a task that dies, a port that is taken."""

from __future__ import annotations

import asyncio
import shutil
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import mam
from support.ejabberd import Ejabberd
from support.external_auth import external
from support.muniment import DATABASE, Muniment
from support.ports import LOOPBACK
from support.releases import Release
from support.remote_data import session
from support.server import Server

#: Within this much a program ends whose store fails, as docs/operations.md says.
END_SECONDS = 50.0

#: What may wait for the store, and many times as much.
QUEUE_BYTES = 4 * 1024 * 1024
LARGE, LARGE_BYTES = 400, 240_000
UNREAD = 60
UNSLOWED = {"rate: 50000": "rate: 500000000", "burst_size: 500000": "burst_size: 500000000"}

#: A module of the operator by which a task of the program is ended from within.
MODULE = """
import asyncio
import gc

def user_authentication(username, password, host):
    for task in gc.get_objects():
        if isinstance(task, asyncio.Task) and task.get_name() == username:
            task.get_loop().call_soon_threadsafe(task.cancel)
    return False
"""


@pytest.fixture
def handled(tmp_path: Path, release: Release) -> Iterator[Server]:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "ending.py").write_text(MODULE)
    with external(
        tmp_path, release, options={"handlers": {"module": "ending", "path": "../lib"}}
    ) as both:
        yield both


async def test_what_a_failing_store_does_not_take_is_written_once_by_the_next_start(
    own_server: Server,
) -> None:
    muniment = own_server.muniment
    file = muniment.folder / DATABASE
    spill, away = file.with_name(f"{DATABASE}-spill"), file.with_name("away.db")
    alice, bob = own_server.accounts("alice", "bob")
    async with own_server.client(alice) as hers, own_server.client(bob) as his:
        await hers.be_available()
        await his.be_available()
        hers.say(bob.jid, "before")
        await his.wait_for_body("before")
        assert await mam.bodies(hers) == ["before"]

        file.rename(away)
        for text in ("one", "two", "three"):
            hers.say(bob.jid, text)
            await his.wait_for_body(text)
        await logged(muniment, "archive cannot be written")
        # What was written before is read while the store cannot be written.
        assert await mam.bodies(hers) == ["before"]

        muniment.terminate()
        begun = time.monotonic()
        code = await asyncio.to_thread(muniment.wait, END_SECONDS)
        took = time.monotonic() - begun
        mode = stat.S_IMODE(spill.stat().st_mode)
        kept = shutil.copy(spill, muniment.folder / "kept")
        told = muniment.log

        away.rename(file)
        await asyncio.to_thread(muniment.start)
        await asyncio.to_thread(muniment.wait_until, lambda: not spill.exists(), "has written it")
        once = [await mam.bodies(hers), await mam.bodies(his)]

        # As where it was killed between writing it and removing it.
        await asyncio.to_thread(muniment.kill)
        shutil.copy(kept, spill)
        await asyncio.to_thread(muniment.start)
        await asyncio.to_thread(muniment.wait_until, lambda: not spill.exists(), "has written it")
        again = [await mam.bodies(hers), await mam.bodies(his)]

    assert (code, mode) == (0, 0o600)
    assert took < END_SECONDS
    assert f"6 rows are kept in {spill} until the next start" in told
    assert once == again == [["before", "one", "two", "three"]] * 2


async def test_what_cannot_be_kept_either_is_counted_as_lost(own_server: Server) -> None:
    muniment = own_server.muniment
    file = muniment.folder / DATABASE
    spill = file.with_name(f"{DATABASE}-spill")
    alice, bob = own_server.accounts("alice", "bob")
    async with own_server.client(alice) as hers, own_server.client(bob) as his:
        await his.be_available()
        file.rename(file.with_name("away.db"))
        # In the place of the file is a folder, which nothing replaces.
        spill.mkdir()
        hers.say(bob.jid, "lost")
        await his.wait_for_body("lost")
        await logged(muniment, "archive cannot be written")
        muniment.terminate()
        code = await asyncio.to_thread(muniment.wait, END_SECONDS)

    assert code == 1
    assert "2 rows are lost" in muniment.log


async def test_memory_is_bounded_in_bytes_while_the_store_fails(
    tmp_path: Path, release: Release
) -> None:
    options = {"archive": {"queue_bytes": QUEUE_BYTES}}
    with (
        Ejabberd(tmp_path / "ejabberd", release, changes=UNSLOWED) as ejabberd,
        Muniment(tmp_path / "muniment", ejabberd, options=options) as muniment,
    ):
        both = Server(ejabberd, muniment)
        file = muniment.folder / DATABASE
        alice, bob = both.accounts("alice", "bob")
        async with both.client(alice) as hers, both.client(bob) as his:
            await his.be_available()
            file.rename(file.with_name("away.db"))
            before = most_memory(muniment)
            for n in range(LARGE):
                hers.say(bob.jid, f"{n} " + "x" * LARGE_BYTES)
                await his.wait_for_body(f"{n} " + "x" * LARGE_BYTES)
            grown = most_memory(muniment) - before
            file.with_name("away.db").rename(file)
            hers.say(bob.jid, "the last one")
            await his.wait_for_body("the last one")
            await logged(muniment, "archive can be written again")

    assert "the server is read no further" in muniment.log
    assert grown < LARGE * LARGE_BYTES / 2


async def test_what_the_server_has_sent_is_kept_where_the_queue_is_full(
    tmp_path: Path, release: Release
) -> None:
    options = {"archive": {"queue_bytes": QUEUE_BYTES}, "xmpp": {"drain_seconds": 10.0}}
    with (
        Ejabberd(tmp_path / "ejabberd", release, changes=UNSLOWED) as ejabberd,
        Muniment(tmp_path / "muniment", ejabberd, options=options) as muniment,
    ):
        both = Server(ejabberd, muniment)
        file = muniment.folder / DATABASE
        spill, away = file.with_name(f"{DATABASE}-spill"), file.with_name("away.db")
        alice, bob = both.accounts("alice", "bob")
        async with both.client(alice) as hers, both.client(bob) as his:
            await his.be_available()
            file.rename(away)
            for n in range(UNREAD):
                hers.say(bob.jid, f"{n} " + "x" * LARGE_BYTES)
                await his.wait_for_body(f"{n} " + "x" * LARGE_BYTES)
            await logged(muniment, "the server is read no further")
            muniment.terminate()
            code = await asyncio.to_thread(muniment.wait, END_SECONDS)
            told = muniment.log

            away.rename(file)
            await asyncio.to_thread(muniment.start)
            await asyncio.to_thread(
                muniment.wait_until, lambda: not spill.exists(), "has written it"
            )
            counts = [len(await mam.bodies(hers)), len(await mam.bodies(his))]

    assert code == 0
    assert f"{2 * UNREAD} rows are kept in {spill} until the next start" in told
    assert counts == [UNREAD, UNREAD]


@pytest.mark.parametrize("task", ["writer", "rooms", "deliveries", "janitor", "link"])
async def test_a_task_that_dies_ends_the_program(handled: Server, task: str) -> None:
    muniment = handled.muniment
    async with session(muniment) as http:
        query = {"username": task, "password": "x"}
        async with http.get("/api/auth", params=query) as answer:
            await answer.read()
    code = await asyncio.to_thread(muniment.wait, END_SECONDS)

    assert code == 1
    assert f"{task} was cancelled, so the program ends" in muniment.log


async def test_a_program_whose_port_is_taken_leaves_the_connected_one_alone(
    server: Server, tmp_path: Path
) -> None:
    first = server.muniment
    before = first.log
    second = Muniment(tmp_path, server.ejabberd, options={"http": {"port": first.http_port}})
    second.begin()
    code = await asyncio.to_thread(second.wait)

    assert code == 1
    assert f"{LOOPBACK}:{first.http_port} is in use: end the program" in second.log
    assert "Traceback" not in second.log
    assert "connected to" not in second.log
    assert first.is_ready()
    assert "connection to the server lost" not in first.log.removeprefix(before)


async def test_a_program_whose_socket_is_taken_leaves_it_to_the_other(
    server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "http.socket"
    second = Muniment(tmp_path, server.ejabberd, options={"http": {"address": f"unix:{path}"}})
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        second.begin()
        code = await asyncio.to_thread(second.wait)
        is_there = path.exists()

    assert (code, is_there) == (1, True)
    assert f"{path} is in use: end the program" in second.log
    assert "Traceback" not in second.log


async def logged(muniment: Muniment, text: str) -> None:
    await asyncio.to_thread(muniment.wait_until, lambda: text in muniment.log, f"says {text!r}")


def most_memory(muniment: Muniment) -> int:
    """Return the most memory that the process ever had, in bytes."""
    lines = Path(f"/proc/{muniment.pid}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
