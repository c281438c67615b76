"""What a store will never take is a bad request; what it cannot take now may be tried again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from support.http_services import HOST, open_services
from support.rosters import FixedRosters

from component.core.archiving.preferences import HostRules, Preferences
from component.core.errors import BadRequest, Overloaded
from component.web.server.settings import Services
from component.xmpp.connection.addresses import Addresses
from storage.rows import Hold, PreferencesRow, Rule

#: Half a character, which no encoding has.
NO_TEXT = "\ud800"

#: One more than a store counts to.
NO_NUMBER = 2**63


def wish(services: Services) -> Awaitable[object]:
    store, hosts = services.storage.preferences, {HOST: HostRules()}
    preferences = Preferences(store, Addresses(), FixedRosters(), hosts)
    return preferences.set(NO_TEXT, PreferencesRow(owner=NO_TEXT, default="always"))


def hold(services: Services) -> Awaitable[object]:
    ordered = Hold(subject=HOST, reason=NO_TEXT, by="counsel", at=1)
    return services.administration.holds.set(ordered)


ASKED: dict[str, Callable[[Services], Awaitable[object]]] = {
    "note": lambda services: services.commands.audit.record("ann", "read", HOST, NO_TEXT),
    "read the log": lambda services: services.commands.audit.read(limit=1, before=NO_NUMBER),
    "set a rule": lambda services: services.administration.rules.set(
        Rule(owner=HOST, peer="", days=NO_NUMBER)
    ),
    "drop a rule": lambda services: services.administration.rules.remove(NO_TEXT),
    "order a hold": hold,
    "release a hold": lambda services: services.administration.holds.release(NO_TEXT),
    "set preferences": wish,
    "list archives": lambda services: services.administration.usage(None, NO_TEXT, 1),
}


@pytest.fixture(params=ASKED.values(), ids=ASKED.keys())
def asked(request: pytest.FixtureRequest) -> Callable[[Services], Awaitable[object]]:
    ask: Callable[[Services], Awaitable[object]] = request.param
    return ask


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with open_services() as opened:
        yield opened


async def test_what_no_store_takes_is_a_bad_request(
    services: Services, asked: Callable[[Services], Awaitable[object]]
) -> None:
    with pytest.raises(BadRequest):
        await asked(services)


async def test_a_store_that_is_down_may_be_asked_again(
    services: Services, asked: Callable[[Services], Awaitable[object]]
) -> None:
    await services.storage.close()

    with pytest.raises(Overloaded):
        await asked(services)
