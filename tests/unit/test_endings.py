"""However it hangs, the program ends; what waits for the store is kept before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from component.config import Xmpp
from component.web.server.settings import WebSettings
from component.wiring import app, compose

#: However long a loaded machine may take.
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

#: Modules of an operator: during the start of one the program is told to end; another one fails
#: and leaves a thread behind.
TOLD = """
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
raise SystemExit(asyncio.run(app.serve(load(pathlib.Path("muniment.toml"), os.environ))))
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
    """Return the exit code of a program, and what it says."""
    (folder / "muniment.toml").write_text(CONFIG)
    (folder / "muniment.toml").chmod(0o600)
    command = [sys.executable, "-c", program]
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("module", [TOLD, FAILING], ids=["told to end", "failing"])
def test_hanging_start_is_ended(tmp_path: Path, module: str) -> None:
    (tmp_path / "hanging.py").write_text(module)

    code, said = run(tmp_path, SERVE)

    assert code == app.FAILED
    assert "something hangs, so the program ends" in said


def test_what_waits_is_kept_before_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    code, _ = run(tmp_path, HANG)

    assert code == app.FAILED
    assert (tmp_path / "kept").read_text() == "all"


def test_all_that_is_waited_for_at_the_end_is_waited_for_within_its_limit() -> None:
    [drain] = [
        bound.le for bound in Xmpp.model_fields["drain_seconds"].metadata if hasattr(bound, "le")
    ]
    # Requests are given theirs twice by aiohttp; rosters and the store have one each.
    http = 2 * WebSettings(secret=None).stop_timeout_seconds

    assert http + drain + 2 * compose.STOP_SECONDS < app.END_SECONDS - app.SAVE_SECONDS
