"""A store and its writer, for as long as a test lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from component.core.archiving.writer import Writer
from storage.interface import Archive


@asynccontextmanager
async def open_writer(archive: Archive, **options: Any) -> AsyncIterator[Writer]:
    """Open a writer that runs, and has written all of it at the end."""
    writer = Writer(archive, **options)
    running = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        writer.stop()
        await running
