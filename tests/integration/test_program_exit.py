"""Exit of the program: with a failing store, after a cancelled task, and with a taken port."""

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
from support.muniment import ACCOUNTS, DATABASE, Muniment
from support.ports import LOOPBACK
from support.releases import Release
from support.remote_data import session
from support.server import Server

# The end of the program is the same beside every release.
pytestmark = pytest.mark.newest_ejabberd

#: A program whose store fails ends within this time, as docs/operations.md promises.
END_SECONDS = 50.0

#: The limit of the queue of the store, and messages that exceed it many times.
QUEUE_BYTES = 4 * 1024 * 1024
LARGE, LARGE_BYTES = 150, 240_000
UNREAD = 60
UNSLOWED = {"rate: 50000": "rate: 500000000", "burst_size: 500000": "burst_size: 500000000"}

#: A module of the operator that cancels the task which the request names as its user.
MODULE = """
import asyncio
import gc

def user_authentication(username, password, host):
    for task in gc.get_objects():
        if isinstance(task, asyncio.Task) and task.get_name() == username:
            task.get_loop().call_soon_threadsafe(task.cancel)
    return False
"""


@pytest.fixture(scope="module")
def fast_ejabberd(
    tmp_path_factory: pytest.TempPathFactory, release: Release
) -> Iterator[Ejabberd]:
    """An ejabberd that does not limit the rate of its users."""
    folder = tmp_path_factory.mktemp("fast")
    with Ejabberd(folder, release, changes=UNSLOWED) as ejabberd:
        yield ejabberd


@pytest.fixture
def module_server(tmp_path: Path, release: Release) -> Iterator[Server]:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "ending.py").write_text(MODULE)
    options = {**ACCOUNTS, "handlers": {"module": "ending", "path": "../lib"}}
    with Server.running(tmp_path, release, options) as running:
        yield running


async def test_rows_unwritten_at_shutdown_are_written_once_at_the_next_start(
    own_server: Server,
) -> None:
    muniment = own_server.muniment
    file = muniment.folder / DATABASE
    spill, away = file.with_name(f"{DATABASE}-spill"), file.with_name("away.db")
    alice, bob = own_server.accounts("alice", "bob")
    async with own_server.client(alice) as alice_client, own_server.client(bob) as bob_client:
        await alice_client.be_available()
        await bob_client.be_available()
        alice_client.say(bob.jid, "before")
        await bob_client.wait_for_body("before")
        assert await mam.bodies(alice_client) == ["before"]

        file.rename(away)
        for text in ("one", "two", "three"):
            alice_client.say(bob.jid, text)
            await bob_client.wait_for_body(text)
        await wait_for_log(muniment, "archive cannot be written")
        # Earlier messages are readable while the store cannot be written.
        assert await mam.bodies(alice_client) == ["before"]

        muniment.terminate()
        start = time.monotonic()
        code = await asyncio.to_thread(muniment.wait, END_SECONDS)
        seconds = time.monotonic() - start
        mode = stat.S_IMODE(spill.stat().st_mode)
        spill_copy = shutil.copy(spill, muniment.folder / "kept")
        log = muniment.log

        away.rename(file)
        await asyncio.to_thread(muniment.start)
        await asyncio.to_thread(
            muniment.wait_until, lambda: not spill.exists(), "has written the rows"
        )
        after_start = [await mam.bodies(alice_client), await mam.bodies(bob_client)]

        # The same state as after SIGKILL between writing the rows and removing the file.
        await asyncio.to_thread(muniment.kill)
        shutil.copy(spill_copy, spill)
        await asyncio.to_thread(muniment.start)
        await asyncio.to_thread(
            muniment.wait_until, lambda: not spill.exists(), "has written the rows"
        )
        after_second_start = [await mam.bodies(alice_client), await mam.bodies(bob_client)]

    assert (code, mode) == (0, 0o600)
    assert seconds < END_SECONDS
    assert f"6 rows are kept in {spill} until the next start" in log
    assert after_start == after_second_start == [["before", "one", "two", "three"]] * 2


async def test_shutdown_without_store_and_spill_file_reports_lost_rows(own_server: Server) -> None:
    muniment = own_server.muniment
    file = muniment.folder / DATABASE
    spill = file.with_name(f"{DATABASE}-spill")
    alice, bob = own_server.accounts("alice", "bob")
    async with own_server.client(alice) as alice_client, own_server.client(bob) as bob_client:
        await bob_client.be_available()
        file.rename(file.with_name("away.db"))
        # A folder in place of the spill file cannot be replaced.
        spill.mkdir()
        alice_client.say(bob.jid, "lost")
        await bob_client.wait_for_body("lost")
        await wait_for_log(muniment, "archive cannot be written")
        muniment.terminate()
        code = await asyncio.to_thread(muniment.wait, END_SECONDS)

    assert code == 1
    assert "2 rows are lost" in muniment.log


async def test_memory_is_bounded_while_the_store_fails(
    tmp_path: Path, fast_ejabberd: Ejabberd
) -> None:
    options = {"archive": {"queue_bytes": QUEUE_BYTES}}
    with Muniment(tmp_path / "muniment", fast_ejabberd, options=options) as muniment:
        server = Server(fast_ejabberd, muniment)
        file = muniment.folder / DATABASE
        alice, bob = server.accounts("alice", "bob")
        async with server.client(alice) as alice_client, server.client(bob) as bob_client:
            await bob_client.be_available()
            file.rename(file.with_name("away.db"))
            before = peak_memory(muniment)
            for n in range(LARGE):
                alice_client.say(bob.jid, f"{n} " + "x" * LARGE_BYTES)
                await bob_client.wait_for_body(f"{n} " + "x" * LARGE_BYTES)
            grown = peak_memory(muniment) - before
            file.with_name("away.db").rename(file)
            alice_client.say(bob.jid, "the last one")
            await bob_client.wait_for_body("the last one")
            await wait_for_log(muniment, "archive can be written again")

    assert "Muniment stops reading" in muniment.log
    assert grown < LARGE * LARGE_BYTES / 2


async def test_unread_copies_are_spilled_at_shutdown_with_a_full_queue(
    tmp_path: Path, fast_ejabberd: Ejabberd
) -> None:
    options = {"archive": {"queue_bytes": QUEUE_BYTES}, "xmpp": {"drain_seconds": 10.0}}
    with Muniment(tmp_path / "muniment", fast_ejabberd, options=options) as muniment:
        server = Server(fast_ejabberd, muniment)
        file = muniment.folder / DATABASE
        spill, away = file.with_name(f"{DATABASE}-spill"), file.with_name("away.db")
        alice, bob = server.accounts("alice", "bob")
        async with server.client(alice) as alice_client, server.client(bob) as bob_client:
            await bob_client.be_available()
            file.rename(away)
            for n in range(UNREAD):
                alice_client.say(bob.jid, f"{n} " + "x" * LARGE_BYTES)
                await bob_client.wait_for_body(f"{n} " + "x" * LARGE_BYTES)
            await wait_for_log(muniment, "Muniment stops reading")
            muniment.terminate()
            code = await asyncio.to_thread(muniment.wait, END_SECONDS)
            log = muniment.log

            away.rename(file)
            await asyncio.to_thread(muniment.start)
            await asyncio.to_thread(
                muniment.wait_until, lambda: not spill.exists(), "has written the rows"
            )
            counts = [len(await mam.bodies(alice_client)), len(await mam.bodies(bob_client))]

    assert code == 0
    assert f"{2 * UNREAD} rows are kept in {spill} until the next start" in log
    assert counts == [UNREAD, UNREAD]


@pytest.mark.parametrize("task", ["writer", "rooms", "deliveries", "janitor", "link"])
async def test_cancelled_task_ends_the_program(module_server: Server, task: str) -> None:
    muniment = module_server.muniment
    async with session(muniment) as http:
        query = {"username": task, "password": "x"}
        async with http.get("/api/auth", params=query) as response:
            await response.read()
    code = await asyncio.to_thread(muniment.wait, END_SECONDS)

    assert code == 1
    assert f"{task} was cancelled, so the program ends" in muniment.log


async def test_second_program_on_a_taken_port_exits_without_connecting(
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


async def test_program_on_a_taken_socket_exits_and_leaves_the_socket(
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


async def wait_for_log(muniment: Muniment, text: str) -> None:
    await asyncio.to_thread(muniment.wait_until, lambda: text in muniment.log, f"says {text!r}")


def peak_memory(muniment: Muniment) -> int:
    """Return the peak resident memory of the process in bytes."""
    lines = Path(f"/proc/{muniment.pid}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
