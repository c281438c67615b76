"""A writer that runs during a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from component.core.archiving.writer import Writer
from storage.interface import Archive


@asynccontextmanager
async def open_writer(archive: Archive, **options: Any) -> AsyncIterator[Writer]:
    """Run a writer; at the end it writes everything that is queued."""
    writer = Writer(archive, **options)
    running = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        writer.stop()
        await running
