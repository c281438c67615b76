"""Start the program anew, as a process that takes over from this one."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Sequence

log = logging.getLogger(__name__)

#: The option of `muniment serve` that takes over.
OPTION = "--take-over"


def start_successor(command: Sequence[str] | None = None) -> None:
    """Start this program anew, as it is installed now, to take over from this process.

    If it ends before, the log says so, and this process goes on.
    """
    command = list(sys.orig_argv if command is None else command)
    if OPTION not in command:
        command.append(OPTION)
    log.info("starting the process that takes over")
    try:
        # systemd has named this process in the variable, and means the new one afterwards.
        environment = {name: text for name, text in os.environ.items() if name != "WATCHDOG_PID"}
        process = subprocess.Popen(command, env=environment)  # noqa: S603 - our own command
    except OSError as error:
        log.error("the process that takes over cannot be started: %s", error)
        return
    threading.Thread(target=_watch, args=(process,), daemon=True).start()


def _watch(process: subprocess.Popen[bytes]) -> None:
    code = process.wait()
    log.error("the process that should take over has ended with %d", code)
