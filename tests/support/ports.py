"""TCP ports on loopback."""

from __future__ import annotations

import os
import random
import socket

LOOPBACK = "127.0.0.1"

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))

#: Below the ports of outgoing connections, which could take the port of a server that is about
#: to listen. Each worker of pytest has a share, so that two workers never choose the same port.
_PORTS = range(16_000 + _WORKER, 30_000, _WORKERS)

#: Ports that were returned; their servers may not listen yet.
_assigned: set[int] = set()


def free_port(preferred: int = 0) -> int:
    """Return a free port, the preferred one if it is free."""
    port = preferred or random.choice([port for port in _PORTS if port not in _assigned])  # noqa: S311
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return free_port()
    _assigned.add(port)
    return port


def answers(port: int) -> bool:
    """Return whether a program accepts connections on a port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=5).close()
    except OSError:
        return False
    return True
