"""ejabberd's own tests of its archive, test/mam_tests.erl, with the archive of a component.

In their suite a master and a slave read their own archives. The case `fake_by` is in
tests/conformance/peers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import product

import pytest
import pytest_asyncio
from support import mam
from support.ejabberd import Account
from support.mam import Page
from support.mam_payloads import (
    GET_FEATURES,
    GET_FORM,
    GET_PREFERENCES,
    Preferences,
    features_in,
    fields_in,
    preferences_in,
    set_preferences,
)
from support.raw import Client
from support.server import Server

NS_MAM = "urn:xmpp:mam:2"

NUMBERS = [str(number) for number in range(1, 6)]

PREFERENCES = [
    Preferences(default=default, always=frozenset(always), never=frozenset(never))
    for default, always, never in product(
        ("always", "never", "roster"), ((), ("foo@bar.baz",)), ((), ("baz@bar.foo",))
    )
]


@pytest.fixture
async def single_user(server: Server) -> AsyncIterator[Client]:
    """A user without a peer."""
    async with server.client(server.account("single")) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def users(server: Server) -> dict[str, Account]:
    """Two users, the first of whom has sent the messages 1 to 5 to the second."""
    master, slave = server.accounts("master", "slave")
    async with server.client(master) as sender, server.client(slave) as recipient:
        for client in (sender, recipient):
            await client.be_available()
            await client.ask("set", set_preferences("always"))
        for number in NUMBERS:
            sender.say(recipient.jid, number, type="normal")
        await recipient.wait_for_bodies(NUMBERS)
    return {"master": master, "slave": slave}


@pytest.fixture(params=["master", "slave"])
async def reader(
    server: Server, users: dict[str, Account], request: pytest.FixtureRequest
) -> AsyncIterator[Client]:
    """A session of one of the two users."""
    async with server.client(users[request.param]) as client:
        yield client


def check(page: Page, numbers: list[str], *, complete: bool = True) -> None:
    """Fail unless a page holds these numbers, of five messages."""
    assert page.bodies == numbers
    assert (page.complete, page.count) == (complete, 5)
    assert len({(message.sender, message.to) for message in page.results}) <= 1


async def test_feature_enabled(server: Server, single_user: Client) -> None:
    of_user = features_in(await single_user.ask("get", GET_FEATURES, to=single_user.account.jid))
    of_component = features_in(
        await single_user.ask("get", GET_FEATURES, to=server.ejabberd.component)
    )

    assert NS_MAM in of_user & of_component


async def test_get_set_prefs(single_user: Client) -> None:
    for preferences in PREFERENCES:
        request = set_preferences(preferences.default, preferences.always, preferences.never)
        assert preferences_in(await single_user.ask("set", request)) == preferences
        assert preferences_in(await single_user.ask("get", GET_PREFERENCES)) == preferences


async def test_get_form(single_user: Client) -> None:
    fields = fields_in(await single_user.ask("get", GET_FORM))

    assert fields["FORM_TYPE"].findtext("{jabber:x:data}value") == NS_MAM
    assert {"with", "start", "end"} <= fields.keys()


async def test_query_all(reader: Client) -> None:
    check(await mam.query(reader), NUMBERS)


@pytest.mark.parametrize("is_bare", [False, True], ids=["full", "bare"])
async def test_query_with(reader: Client, is_bare: bool) -> None:
    [first, *_] = (await mam.query(reader)).results
    peer = first.to if first.sender == reader.jid else first.sender
    assert peer is not None
    jid = peer.partition("/")[0] if is_bare else peer

    check(await mam.query(reader, fields={"with": jid}), NUMBERS)


@pytest.mark.parametrize("max", range(7))
async def test_query_rsm_max(reader: Client, max: int) -> None:
    check(await mam.query(reader, max=max), NUMBERS[:max], complete=max >= 5)


async def test_query_rsm_after(reader: Client) -> None:
    """Each page begins after the first message of the previous page."""
    edge = None
    for start in range(6):
        page = await mam.query(reader, after=edge)
        check(page, NUMBERS[start:])
        edge = page.first


async def test_query_rsm_before(reader: Client) -> None:
    """Each page ends before the last message of the previous page."""
    edge: str | None = ""
    for end in range(5, -1, -1):
        page = await mam.query(reader, before=edge)
        check(page, NUMBERS[:end])
        edge = page.last

    check(await mam.query(reader, before="", max=1), NUMBERS[-1:], complete=False)
