"""Our command in a process of its own: in tests a fork of a process that has loaded all modules.

A start of Muniment takes a second of CPU to load them. Without `preloading`, as in the demo, each
command is a Python of its own.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

ROOT = Path(__file__).parents[2]

MODULE = "support.preloaded"

#: Seconds for a command.
COMMAND_SECONDS = 90.0


class Process(Protocol):
    """What `subprocess.Popen` offers, as far as it is used."""

    @property
    def pid(self) -> int: ...

    @property
    def stdin(self) -> IO[bytes] | None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...


class Forked:
    """A fork of the preloaded process."""

    stdin = None

    def __init__(self, pid: int, status: int) -> None:
        """`status` is the end of a pipe from which the exit code can be read after the end."""
        self.pid = pid
        self._status = status
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, None while the process exists; a signal is a negative code."""
        return self._read(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code after the end. Raises subprocess.TimeoutExpired."""
        code = self._read(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def _read(self, timeout: float | None) -> int | None:
        if self._code is None and select.select([self._status], [], [], timeout)[0]:
            self._code = int(os.read(self._status, 16))
            os.close(self._status)
        return self._code


class _Preloaded:
    """The process that is forked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", MODULE, str(theirs.fileno())],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def fork(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        files: Sequence[int],
    ) -> Forked:
        """Run our command in a folder; `files` are those of its standard streams."""
        status, written = os.pipe()
        request = json.dumps(
            {"arguments": arguments, "environment": dict(environment), "folder": str(folder)}
        )
        try:
            with self._lock:
                socket.send_fds(self._socket, [request.encode()], [*files, written])
                pid = self._socket.recv(16)
        finally:
            os.close(written)
        return Forked(int(pid), status)

    def stop(self) -> None:
        """End the process; its forks go on."""
        self._socket.close()
        self._process.wait(COMMAND_SECONDS)


_is_preloading = False
_preloaded: _Preloaded | None = None


@contextmanager
def preloading() -> Iterator[None]:
    """Fork the commands in this context; the first one starts the process that is forked."""
    global _is_preloading, _preloaded
    _is_preloading = True
    try:
        yield
    finally:
        _is_preloading = False
        if _preloaded is not None:
            _preloaded.stop()
            _preloaded = None


def start_command(
    arguments: Sequence[str],
    *,
    stdin: int | IO[bytes],
    stdout: int | IO[bytes],
    stderr: int | IO[bytes],
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
) -> Process:
    """Start our command in a session of its own, which does not get Ctrl-C.

    The three files have to be open. `environment` is that of this process by default.
    """
    global _preloaded
    environment = os.environ if environment is None else environment
    if not _is_preloading:
        return subprocess.Popen(
            command_line(*arguments),
            cwd=folder,
            env=environment,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    if _preloaded is None:
        _preloaded = _Preloaded()
    files = [file if isinstance(file, int) else file.fileno() for file in (stdin, stdout, stderr)]
    return _preloaded.fork(arguments, environment, folder, files)


def run_command(
    *arguments: str,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    seconds: float = COMMAND_SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Run our command to its end. Raises subprocess.TimeoutExpired."""
    with (
        tempfile.TemporaryFile() as read,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
    ):
        read.write(stdin.encode())
        read.seek(0)
        process = start_command(
            arguments,
            stdin=read,
            stdout=output,
            stderr=errors,
            environment=environment,
            folder=folder,
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            raise
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(command_line(*arguments), code, *texts)


def command_line(*arguments: str) -> list[str]:
    """Return our command as a user writes it."""
    return [sys.executable, "-m", "component", *arguments]
