"""How options name a Unix socket."""

from __future__ import annotations

#: An address that starts with this is the path of a Unix socket.
UNIX = "unix:"
