"""Prove that all sent messages are in the archives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from benchmarks import mam
from benchmarks.xmpp import Session

#: Seconds without a further message after which the missing ones count as lost.
PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.01


async def complete(sessions: Sequence[Session], expected: Mapping[str, int]) -> tuple[float, int]:
    """Wait until all archives are complete; return the time, and the number of missing messages.

    Messages that an archive has too many count like missing ones.
    """
    for session in sessions:
        session.on_data = None
    results = await asyncio.gather(*(_filled(s, expected.get(s.user, 0)) for s in sessions))
    return max(at for at, _ in results), sum(abs(missing) for _, missing in results)


async def _filled(session: Session, expected: int) -> tuple[float, int]:
    seen, since = -1, time.perf_counter()
    while True:
        count = await mam.count(session)
        now = time.perf_counter()
        if count == expected:
            return now, 0
        if count != seen:
            seen, since = count, now
        elif now - since > PATIENCE_SECONDS:
            return now, expected - count
        await asyncio.sleep(POLL_SECONDS)


async def differences(session: Session, ids: set[str]) -> int:
    """Read a whole archive, and count missing, unknown and duplicate messages."""
    archived = [id async for page in mam.walk(session) for id in page.message_ids]
    return len(ids ^ set(archived)) + len(archived) - len(set(archived))
