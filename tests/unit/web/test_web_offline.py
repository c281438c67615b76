"""Offline stanzas popped while the server stops."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from support.builders import ALICE
from support.databases import blocked
from support.http_services import SETTINGS, open_services

from component.web import keys
from component.web.remote_data.family import REMOTE_DATA
from storage.open import open_storage
from storage.rows import OfflineStanza


async def test_stanzas_popped_while_the_server_stops_are_kept(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/muniment.db"
    async with open_services(url) as services:
        await services.storage.offline.add(
            ALICE, OfflineStanza(peer=ALICE, stanza="<message/>", at=1)
        )
        app = REMOTE_DATA.app(SETTINGS, services)
        runner = web.AppRunner(app)
        await runner.setup()
        taking = asyncio.ensure_future(app[keys.offline_stanzas].pop(ALICE))
        async with blocked(services.storage):
            await asyncio.sleep(0)
            taking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await taking
        await runner.cleanup()
        await services.storage.close()

    async with open_storage(url) as storage:
        assert await storage.offline.count(ALICE) == 1
