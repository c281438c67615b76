"""A program in a process of its own, with its log. It is independent of event loops."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from support.command import Process, start_command

START_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.02
TAIL_LINES = 40


class Failed(Exception):
    """A program failed; the message has its log."""


class Program:
    """Starts a command, watches its process, and stops it by its process id."""

    def __init__(self, name: str, log: Path) -> None:
        """`log` is appended to, over all starts."""
        self.name = name
        self.log_path = log
        self._process: Process | None = None

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
        """Return whether the process exists, even if it is paused."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._running().pid

    @property
    def log(self) -> str:
        """The whole log."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_from(self, position: int) -> str:
        """Return the log from a position in bytes on."""
        with self.log_path.open("rb") as log:
            log.seek(position)
            return log.read().decode(errors="replace")

    @property
    def tail(self) -> str:
        """The last lines of the log."""
        return "\n".join(self.log.splitlines()[-TAIL_LINES:])

    def stop(self) -> int:
        """Terminate the process, kill it if it does not end, and return its exit code."""
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
        """Kill the process, as a crash would."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self.wait(STOP_SECONDS)

    def pause(self) -> None:
        """Freeze the process: its connections stay open, but it answers nothing any more."""
        self._signal(signal.SIGSTOP)
        # The signal does not wait for the threads that run at this moment.
        self.wait_until(self._is_frozen, "is frozen")

    def resume(self) -> None:
        """Continue the process after `pause`."""
        self._signal(signal.SIGCONT)

    def _is_frozen(self) -> bool:
        threads = Path(f"/proc/{self._running().pid}/task").glob("*/stat")
        return all(thread.read_text().rpartition(")")[2].split()[0] == "T" for thread in threads)

    def terminate(self) -> None:
        """Send SIGTERM, without waiting."""
        self._signal(signal.SIGTERM)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Wait for the end of the process, and return its exit code. Raises Failed."""
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
        """Return when `is_true` returns True. Raises Failed, also when the program ends."""
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
        """Start the process in a session of its own, which does not get Ctrl-C."""
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

    def launch_muniment(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> None:
        """Start our command, with variables beside those of this process."""
        with self.log_path.open("ab") as log, Path(os.devnull).open("rb") as nothing:
            self._process = start_command(
                arguments,
                stdin=nothing,
                stdout=log,
                stderr=log,
                environment={**os.environ, **(environment or {})},
            )

    @property
    def stdin(self) -> IO[bytes]:
        """The standard input of the process, if `launch` made a pipe for it."""
        stdin = self._running().stdin
        assert stdin is not None
        return stdin

    def _running(self) -> Process:
        if self._process is None:
            raise self.failed("does not run")
        return self._process

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
