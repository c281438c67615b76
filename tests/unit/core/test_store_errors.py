"""A value that no store takes is a bad request; a store that is closed is overloaded."""

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

#: A lone surrogate, which no encoding has.
NO_TEXT = "\ud800"

#: One more than the largest number of a store.
NO_NUMBER = 2**63


def set_preferences(services: Services) -> Awaitable[object]:
    store, hosts = services.storage.preferences, {HOST: HostRules()}
    preferences = Preferences(store, Addresses(), FixedRosters(), hosts)
    return preferences.set(NO_TEXT, PreferencesRow(owner=NO_TEXT, default="always"))


def set_hold(services: Services) -> Awaitable[object]:
    hold = Hold(subject=HOST, reason=NO_TEXT, by="counsel", at=1)
    return services.administration.holds.set(hold)


CALLS: dict[str, Callable[[Services], Awaitable[object]]] = {
    "note": lambda services: services.commands.audit.record("ann", "read", HOST, NO_TEXT),
    "read the log": lambda services: services.commands.audit.read(limit=1, before=NO_NUMBER),
    "set a rule": lambda services: services.administration.rules.set(
        Rule(owner=HOST, peer="", days=NO_NUMBER)
    ),
    "drop a rule": lambda services: services.administration.rules.remove(NO_TEXT),
    "order a hold": set_hold,
    "release a hold": lambda services: services.administration.holds.release(NO_TEXT),
    "set preferences": set_preferences,
    "list archives": lambda services: services.administration.usage(None, NO_TEXT, 1),
}


@pytest.fixture(params=CALLS.values(), ids=CALLS.keys())
def call(request: pytest.FixtureRequest) -> Callable[[Services], Awaitable[object]]:
    result: Callable[[Services], Awaitable[object]] = request.param
    return result


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with open_services() as opened:
        yield opened


async def test_value_that_no_store_takes_is_bad_request(
    services: Services, call: Callable[[Services], Awaitable[object]]
) -> None:
    with pytest.raises(BadRequest):
        await call(services)


async def test_closed_store_is_overloaded(
    services: Services, call: Callable[[Services], Awaitable[object]]
) -> None:
    await services.storage.close()

    with pytest.raises(Overloaded):
        await call(services)
