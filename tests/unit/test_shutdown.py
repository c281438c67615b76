"""A hanging program ends within its limit, after it has saved unwritten messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from component.config import Xmpp
from component.web.server.settings import WebSettings
from component.wiring import app, compose

#: More than a loaded machine needs.
DEADLINE_SECONDS = 30.0

CONFIG = """
[xmpp]
jid = "archive.example.org"
hosts = ["example.org"]
secret = "open sesame"
[storage]
url = "sqlite:archive.db"
[http]
enabled = false
[handlers]
module = "hanging"
path = "."
"""

#: Modules of an operator: one sends SIGTERM during its import; the other fails and leaves a
#: running thread.
TERMINATED = """
import os, signal, time
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(600)
"""
FAILING = """
import threading, time
threading.Thread(target=time.sleep, args=[600]).start()
raise RuntimeError("no shop")
"""

SERVE = """
import asyncio, os, pathlib
from component.wiring import app
from component.config import load
app.END_SECONDS, app.SAVE_SECONDS = 0.4, 0.2
def read():
    return load(pathlib.Path("muniment.toml"), os.environ)

raise SystemExit(asyncio.run(app.serve(read(), read)))
"""

HANG = """
import asyncio, pathlib
from component.wiring import app
app.END_SECONDS, app.SAVE_SECONDS = 0.2, 10.0
app.END_SECONDS += app.SAVE_SECONDS

async def save():
    await asyncio.to_thread(pathlib.Path("kept").write_text, "all")

async def hang():
    limit = app.Limit(asyncio.get_running_loop())
    with limit.saving(save):
        limit.begin()
        await asyncio.sleep(600)

asyncio.run(hang())
"""


def run(folder: Path, program: str) -> tuple[int, str]:
    """Return the exit code of a program and its log."""
    (folder / "muniment.toml").write_text(CONFIG)
    (folder / "muniment.toml").chmod(0o600)
    command = [sys.executable, "-c", program]
    process = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )
    return process.returncode, process.stderr


@pytest.mark.parametrize("module", [TERMINATED, FAILING], ids=["terminated", "failing"])
def test_hanging_start_is_ended(tmp_path: Path, module: str) -> None:
    (tmp_path / "hanging.py").write_text(module)

    code, log = run(tmp_path, SERVE)

    assert code == app.FAILED
    assert "something hangs, so the program ends" in log


def test_unwritten_messages_are_saved_before_a_hanging_program_ends(tmp_path: Path) -> None:
    code, _ = run(tmp_path, HANG)

    assert code == app.FAILED
    assert (tmp_path / "kept").read_text() == "all"


def test_waits_at_the_end_fit_into_the_limit() -> None:
    [drain] = [
        bound.le for bound in Xmpp.model_fields["drain_seconds"].metadata if hasattr(bound, "le")
    ]
    # aiohttp waits for requests twice; rosters and the store have one limit each.
    http = 2 * WebSettings(secret=None).stop_timeout_seconds

    assert http + drain + 2 * compose.STOP_SECONDS < app.END_SECONDS - app.SAVE_SECONDS
