"""Accounts and sessions for the parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.xmpp import Session, login, register


@asynccontextmanager
async def new_pairs(port: int, count: int) -> AsyncIterator[list[tuple[Session, Session]]]:
    """Create accounts for some pairs of users, and log them in."""
    sessions = []
    for number in range(2 * count):
        await register(port, f"user{number}")
        sessions.append(await login(port, f"user{number}"))
    yield list(zip(sessions[::2], sessions[1::2], strict=True))
    for session in sessions:
        session.close()
