"""Tell the service manager of this process (sd_notify(3)), and start one that takes over."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence

log = logging.getLogger(__name__)

#: The option of `muniment serve` that takes over.
OPTION = "--take-over"


def notify_main() -> None:
    """Say that this process is the main one, if a service manager started it."""
    _notify(f"MAINPID={os.getpid()}")


def notify_ready() -> None:
    """Say that the program is ready, if a service manager started it."""
    _notify("READY=1")


def _notify(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.connect(address)
            channel.sendall(state.encode())
    except OSError as error:
        log.warning("the service manager cannot be told %s: %s", state, error)


def start_successor(command: Sequence[str] | None = None) -> None:
    """Start this program anew, as it is installed now, to take over from this process.

    If it ends before, the log says so, and this process goes on.
    """
    command = list(sys.orig_argv if command is None else command)
    if OPTION not in command:
        command.append(OPTION)
    log.info("starting the process that takes over")
    try:
        process = subprocess.Popen(command)  # noqa: S603 - the command of this process
    except OSError as error:
        log.error("the process that takes over cannot be started: %s", error)
        return
    threading.Thread(target=_watch, args=(process,), daemon=True).start()


def _watch(process: subprocess.Popen[bytes]) -> None:
    code = process.wait()
    log.error("the process that should take over has ended with %d", code)
