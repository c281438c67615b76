"""Check: the place of an HTTP listener is free."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from component.core.doctor.checks import HTTP
from component.core.doctor.finding import Finding, Severity, ok
from component.core.unix_sockets import UNIX
from component.web.server.settings import ListenerSettings


def check(listener: ListenerSettings) -> Finding:
    """Return the finding about a listener of a program that does not run."""
    section, address, port = listener.section, listener.address, listener.port
    if address.startswith(UNIX):
        folder = Path(address.removeprefix(UNIX)).parent
        if not os.access(folder, os.W_OK | os.X_OK):
            return Finding(
                id=HTTP,
                severity=Severity.ERROR,
                seen=f"{section}: {address}: {folder} cannot be written by this user",
            )
        return ok(HTTP, f"{section}: {address}")
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        socket.create_server((address, port), family=family).close()
    except OSError as error:
        return Finding(
            id=HTTP,
            severity=Severity.ERROR,
            seen=f"{section}: {address}:{port}: {error.strerror}; no Muniment with this "
            f"configuration answers there: set {section}.port",
        )
    return ok(HTTP, f"{section}: {address}:{port} is free")
