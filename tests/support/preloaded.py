"""The process that `support.command` forks: it loads the modules of our command, and waits.

It is a program: `python -m support.preloaded FD`, with the socket over which requests arrive.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import json
import os
import signal
import socket
import sys
import termios
from contextlib import suppress

# Modules are never freed.
gc.disable()

from component.cli import main  # noqa: E402

#: The modules that the command imports when it runs.
MODULES = (
    "component.cli.check_config",
    "component.cli.doctor",
    "component.extauth",
    "component.web.openapi.page",
    "component.web.private_families",
    "component.web.public_families",
    "component.wiring.app",
    "component.wiring.backfill",
    "component.wiring.chat",
    "component.wiring.gateway",
    "component.wiring.live",
    "jinja2",
    "jwt",
    "storage.postgres.open",
    "uvloop",
)


def wait_for_request(fd: int) -> list[str]:
    """Return the arguments of a request, in the process that has to run the command."""
    requests = socket.socket(fileno=fd)
    signal.signal(signal.SIGCHLD, _reap)
    while True:
        data, files, _, _ = socket.recv_fds(requests, 1 << 20, 4)
        if not data:
            os._exit(0)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            request = json.loads(data)
            _fork_command(requests, files)
            os.chdir(request["folder"])
            _become_command(files, request["environment"])
            return list(request["arguments"])
        for file in files:
            os.close(file)


def _reap(*_: object) -> None:
    """Let the processes end that have waited for commands."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _fork_command(requests: socket.socket, files: list[int]) -> None:
    """Fork, and return in the child; this process reports its id and its exit code."""
    status = files.pop()
    pid = os.fork()
    if pid == 0:
        os.close(status)
        requests.close()
        return
    for file in files:
        os.close(file)
    requests.send(str(pid).encode())
    _, code = os.waitpid(pid, 0)
    os.write(status, str(os.waitstatus_to_exitcode(code)).encode())
    os._exit(0)


def _become_command(files: list[int], environment: dict[str, str]) -> None:
    """Give this process the streams, the environment and the session of a new one."""
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    if os.isatty(0):
        # The terminal of the session, as for a command in a shell.
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(environment)
    gc.enable()


for module in MODULES:
    importlib.import_module(module)
gc.freeze()
arguments = wait_for_request(int(sys.argv[1]))
sys.argv = ["muniment", *arguments]
# The command with which the program starts itself again.
sys.orig_argv = [sys.executable, "-m", "component", *arguments]
raise SystemExit(main())
