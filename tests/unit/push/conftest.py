"""Users who have signed in, and a receiver for their events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from support.builders import ALICE, BOB
from support.http_services import open_services
from support.push import Receiver, receiving
from support.sign_in import with_sign_in

from component.core.push.targets import webhook
from component.core.push.values import Content
from component.web.server.settings import Services
from storage.rows import PushSubscription

PASSWORD = "pencil"


@dataclass(frozen=True)
class Pushed:
    """Services in which alice and bob have signed in."""

    services: Services
    sign_ins: dict[str, str]  #: ids by JID

    async def hook(
        self, services: Services, url: str, jid: str = ALICE, content: Content = Content.TEXT
    ) -> PushSubscription:
        """Subscribe a webhook to all events of an account."""
        assert services.push is not None
        created = await services.push.subscribe(
            jid, self.sign_ins[jid], webhook(url), content=content
        )
        return created.subscription


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with open_services() as services:
        for jid in (ALICE, BOB):
            await services.accounts.admin.register(jid, PASSWORD)
        yield with_sign_in(services)


@pytest.fixture
async def pushed(services: Services) -> Pushed:
    assert services.sign_ins is not None
    ids = {}
    for jid in (ALICE, BOB):
        ids[jid] = (await services.sign_ins.sign_in(jid, PASSWORD)).sign_in.id
    return Pushed(services, ids)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver
