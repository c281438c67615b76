"""Tell the service manager how this process is: sd_notify(3).

A message is a datagram of lines to the Unix socket that NOTIFY_SOCKET names. Without that variable
nobody wants to know.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable

log = logging.getLogger(__name__)

#: Seconds between two looks at the status.
STATUS_SECONDS = 5.0

#: So many signs of life are sent in the time after which the service manager misses them.
SIGNS_OF_LIFE = 4

_MICROSECONDS = 1_000_000


def notify(*lines: str) -> None:
    """Send lines to the service manager, if one started this process."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        # The name of an abstract socket begins with a zero byte (unix(7)).
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            # A manager that does not read must not stop the program.
            channel.setblocking(False)
            channel.connect(address)
            channel.sendall("\n".join(lines).encode())
    except OSError as error:
        log.warning("the service manager cannot be told %s: %s", lines[0], error)


def notify_main() -> None:
    """Say that this process is the main one."""
    notify(f"MAINPID={os.getpid()}")


def notify_ready() -> None:
    """Say that the program is ready, after its start or after a reload."""
    notify("READY=1")


def notify_reloading() -> None:
    """Say that the program reads its configuration; `notify_ready` says when it has done so."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def notify_stopping() -> None:
    """Say that the program ends."""
    notify("STOPPING=1")


def watchdog_seconds() -> float | None:
    """Return the seconds after which the service manager misses a sign of life, None: never."""
    text = os.environ.get("WATCHDOG_USEC", "")
    # systemd names the process that it means; a take-over removes the number of the old one.
    meant = os.environ.get("WATCHDOG_PID", "")
    if not text.isdecimal() or int(text) == 0 or meant not in ("", str(os.getpid())):
        return None
    return int(text) / _MICROSECONDS


async def send_signs_of_life() -> None:
    """Say again and again that the event loop runs, if the service manager wants to know.

    The store is not asked: messages that wait for a slow disk are in memory, and a restart would
    lose them. A permanent task that ends also ends the program.
    """
    limit = watchdog_seconds()
    while limit is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(limit / SIGNS_OF_LIFE)


async def send_status(describe: Callable[[], str], seconds: float = STATUS_SECONDS) -> None:
    """Tell the status that `describe` returns, one line, whenever it has changed."""
    told = ""
    while True:
        status = describe()
        if status != told:
            notify(f"STATUS={status}")
            told = status
        await asyncio.sleep(seconds)
