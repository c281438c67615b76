"""A program in a process of its own, with its log. Nothing of it belongs to an event loop."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

START_SECONDS = 30.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.02
TAIL_LINES = 40


class Failed(Exception):
    """A program did not do what it should; its log is in the message."""


class Program:
    """Starts a command, watches it, stops it by its own process id."""

    def __init__(self, name: str, log: Path) -> None:
        """`log` is appended to, over all starts."""
        self.name = name
        self.log_path = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and return when it is ready. Raises Failed."""
        raise NotImplementedError

    @property
    def is_running(self) -> bool:
        """Whether there is a process, be it paused."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._running().pid

    @property
    def log(self) -> str:
        """All it has written so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def tail(self) -> str:
        """The last lines it has written."""
        return "\n".join(self.log.splitlines()[-TAIL_LINES:])

    def stop(self) -> int:
        """Ask it to end, kill it if it does not, and return its exit code."""
        if self._process is None:
            return 0
        self.resume()
        self._signal(signal.SIGTERM)
        try:
            return self.wait(STOP_SECONDS)
        except Failed:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self.wait(STOP_SECONDS)

    def pause(self) -> None:
        """Freeze it: its connections stay open and nothing is answered any more."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Ask it to end, without waiting."""
        self._signal(signal.SIGTERM)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Wait for its end and return its exit code. Raises Failed."""
        process = self._running()
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise self.failed(f"has not ended after {seconds:g} s") from None
        if process.stdin is not None:
            with suppress(BrokenPipeError):
                process.stdin.close()
        self._process = None
        return code

    def wait_until(
        self, is_true: Callable[[], bool], condition: str, seconds: float = START_SECONDS
    ) -> None:
        """Return when something has become true. Raises Failed, also when the program ended."""
        deadline = time.monotonic() + seconds
        while not is_true():
            if not self.is_running:
                raise self.failed(f"has ended with {self.wait()}")
            if time.monotonic() > deadline:
                raise self.failed(f"{condition}: not so after {seconds:g} s")
            time.sleep(POLL_SECONDS)

    def failed(self, why: str) -> Failed:
        """Return an error that shows the end of the log."""
        return Failed(f"{self.name} {why}\n--- {self.log_path}\n{self.tail}")

    def launch(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        """Start the process, in a session of its own: Ctrl-C is not for it."""
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def stdin(self) -> IO[bytes]:
        """What is written here it reads, if it was launched so."""
        stdin = self._running().stdin
        assert stdin is not None
        return stdin

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise self.failed("does not run")
        return self._process

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
