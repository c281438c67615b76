"""An import is killed again and again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

from support.command import run_command, start_command
from support.remote_data import session
from support.server import Server

from component.core.xml.times import format_time, parse_time
from torture.load import bodies

#: Messages of the import, kills, and the longest time until one, in seconds.
MESSAGES, KILLS, KILL_SECONDS = 10_000, 5, 1.5


async def test_killed_import_goes_on_without_a_duplicate(
    own_server: Server, tmp_path: Path
) -> None:
    muniment = own_server.muniment
    owner = own_server.account("dave")
    await asyncio.to_thread(muniment.stop)
    began = parse_time("2020-01-01T00:00:00Z")
    file = tmp_path / "messages.csv"
    texts = [f"text {n}" for n in range(MESSAGES)]
    file.write_text(
        "owner,time,peer,body\n"
        + "".join(
            f"{owner.jid},{format_time(began + n * 1_000_000)},bob@one.test,{text}\n"
            for n, text in enumerate(texts)
        )
    )
    command = ("import", "--config", str(muniment.config_path), "csv", str(file))
    killed = 0
    for _ in range(KILLS):
        with Path(os.devnull).open("r+b") as nothing:
            process = start_command(command, stdin=nothing, stdout=nothing, stderr=nothing)
        await asyncio.sleep(random.uniform(0.1, KILL_SECONDS))  # noqa: S311
        process.send_signal(signal.SIGKILL)
        killed += await asyncio.to_thread(process.wait) == -signal.SIGKILL
    done = await asyncio.to_thread(run_command, *command)
    assert done.returncode == 0, done.stderr
    assert killed

    await asyncio.to_thread(muniment.start)
    async with session(muniment) as http:
        assert await bodies(http, owner.jid) == texts
