"""TCP ports on loopback."""

from __future__ import annotations

import random
import socket

LOOPBACK = "127.0.0.1"

#: Below what systems give to outgoing connections: one of those would take the port of a server
#: that is only about to listen.
_PORTS = range(16_000, 30_000)

#: Whoever was given one may not listen on it yet.
_given: set[int] = set()


def free_port(wanted: int = 0) -> int:
    """Return a port nobody listens on: the wanted one if it is free."""
    port = wanted or random.choice([port for port in _PORTS if port not in _given])  # noqa: S311
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return free_port()
    _given.add(port)
    return port


def answers(port: int) -> bool:
    """Whether somebody takes connections on a port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True
