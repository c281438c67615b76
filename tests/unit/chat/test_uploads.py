"""Slots for files: from the upload service that the server has, within its limit."""

from __future__ import annotations

import pytest
from support.account_server import AccountServer
from support.clock import Clock

from component.core.access.principals import User
from component.core.chat import uploads
from component.core.chat.uploads import Slot, Uploads
from component.core.errors import NotImplementedHere, TooLarge
from component.core.sessions.delivery import Undelivered
from component.core.sessions.queries import UserQueries

ALICE = User("alice@one.test")
SERVICE = "upload.one.test"


@pytest.fixture
def server() -> AccountServer:
    return AccountServer(queue=None)  # type: ignore[arg-type]  # no message is sent


async def slot(of: Uploads, size: int = 10, name: str = "a.png") -> Slot:
    return await of.slot(ALICE, name=name, size=size, type="image/png")


async def test_slot_has_addresses_and_the_headers_that_are_allowed(server: AccountServer) -> None:
    got = await slot(Uploads(UserQueries(server)), name="a 'b' & <c>.png")

    assert got == Slot(
        "https://upload.one.test/slot/1",
        "https://upload.one.test/slot/1",
        {"Authorization": "Basic xy"},
    )
    [request] = server.slots
    assert "filename=\"a 'b' &amp; &lt;c&gt;.png\"" in request
    assert "size='10'" in request


async def test_headers_are_not_shown_by_repr(server: AccountServer) -> None:
    assert "Basic" not in repr(await slot(Uploads(UserQueries(server))))


async def test_service_is_looked_for_once_in_some_minutes(server: AccountServer) -> None:
    clock = Clock()
    of = Uploads(UserQueries(server), clock=clock)
    for _ in range(3):
        await slot(of)
    found = len([query for query in server.queries if "disco#items" in query.payload])
    clock.now += uploads.FRESH_SECONDS
    await slot(of)
    again = len([query for query in server.queries if "disco#items" in query.payload])

    assert (found, again) == (1, 2)


async def test_server_without_a_service_takes_no_files(server: AccountServer) -> None:
    server.upload_max = None

    with pytest.raises(NotImplementedHere, match="XEP-0363"):
        await slot(Uploads(UserQueries(server)))
    assert server.slots == []


async def test_file_beyond_the_limit_of_the_service_is_refused(server: AccountServer) -> None:
    with pytest.raises(TooLarge, match="1000000 bytes"):
        await slot(Uploads(UserQueries(server)), size=1_000_001)


async def test_refusal_of_the_service_has_its_condition(server: AccountServer) -> None:
    of = Uploads(UserQueries(server))
    await slot(of)
    server.conditions[SERVICE] = "forbidden"

    with pytest.raises(Undelivered) as refused:
        await slot(of)
    assert (refused.value.condition, refused.value.status) == ("forbidden", 403)


async def test_session_that_cannot_log_in_does_not_count_as_no_service(
    server: AccountServer,
) -> None:
    of = Uploads(UserQueries(server))
    server.condition = "not-authorized"
    with pytest.raises(Undelivered):
        await slot(of)
    server.condition = ""

    await slot(of)
