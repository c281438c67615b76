"""ejabberd authenticates with Muniment (auth_method: external), and real clients log in."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

import pytest
from support.ejabberd import Account
from support.external_auth import external, processes
from support.raw import Client
from support.releases import Release
from support.remote_data import session
from support.server import Server
from support.slixmpp_client import logs_in
from support.stanzas import Refused, local_name

#: External authentication differs between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
REGISTER = "jabber:iq:register"

#: A password with characters that need escaping in queries and between colons.
PASSWORD = "a:b::c%41+&=#? pencil ü€😀"


@pytest.fixture(scope="module")
def external_server(
    tmp_path_factory: pytest.TempPathFactory, release: Release
) -> Iterator[Server]:
    with external(tmp_path_factory.mktemp("external"), release) as server:
        yield server


@pytest.fixture
def own_external_server(
    tmp_path: Path, release: Release, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """A server for a test that stops programs; a parameter says whether ejabberd caches."""
    with external(tmp_path, release, cache=getattr(request, "param", False)) as server:
        yield server


class Newcomer(Client):
    """A client without an account, which can register one (XEP-0077)."""

    async def log_in(self) -> None:
        """Open the stream without authentication."""
        await self.open_stream(f"{SASL}mechanisms")

    async def register(self) -> None:
        """Register the account. Raises Refused."""
        await self.ask("set", registration(self.account))

    @property
    def mechanisms(self) -> set[str]:
        """The SASL mechanisms that the server offers."""
        features = next(element for element in self.received if local_name(element) == "features")
        return {mechanism.text or "" for mechanism in features.iter(f"{SASL}mechanism")}


def registration(account: Account) -> str:
    """Return the query that registers an account or changes its password (XEP-0077)."""
    return (
        f"<query xmlns='{REGISTER}'><username>{escape(account.user)}</username>"
        f"<password>{escape(account.password)}</password></query>"
    )


async def put(server: Server, account: Account) -> None:
    """Create an account in Muniment, or change its password."""
    async with session(server.muniment) as http:
        url = f"/api/v1/accounts/{account.jid}"
        async with http.put(url, json={"password": account.password}) as response:
            assert response.status in (200, 201, 204), await response.text()


async def exists(server: Server, account: Account) -> bool:
    """Whether the account exists in Muniment."""
    async with (
        session(server.muniment) as http,
        http.get(f"/api/{account.host}/user", params={"username": account.user}) as response,
    ):
        return response.status == 200


def call(server: Server, function: str, account: Account, *arguments: str) -> str:
    """Return the result of a function of ejabberd_auth for an account."""
    texts = [f"<<{','.join(map(str, text.encode()))}>>" for text in (account.user, account.host)]
    texts += [f"<<{','.join(map(str, text.encode()))}>>" for text in arguments]
    return server.ejabberd.evaluate(f"ejabberd_auth:{function}({', '.join(texts)})")


@pytest.mark.parametrize("host", [0, 1])
async def test_login_succeeds_with_the_right_password_only(
    external_server: Server, host: int
) -> None:
    ann = Account(f"ann{host}", external_server.ejabberd.hosts[host], PASSWORD)
    await put(external_server, ann)

    assert await logs_in(external_server, ann)
    assert not await logs_in(external_server, replace(ann, password=PASSWORD + ":"))
    assert not await logs_in(
        external_server, replace(ann, host=external_server.ejabberd.hosts[1 - host])
    )
    assert not await logs_in(external_server, replace(ann, user="nobody"))


async def test_server_offers_plain_and_no_scram(external_server: Server) -> None:
    """RFC 5802 section 9: for SCRAM the server needs keys, which only Muniment stores."""
    nobody = Account("nobody", external_server.ejabberd.hosts[0], "")
    async with Newcomer(nobody, external_server.ejabberd.ports.c2s) as client:
        assert "PLAIN" in client.mechanisms
        assert not [name for name in client.mechanisms if name.startswith(("SCRAM", "DIGEST"))]


async def test_password_change_takes_effect_at_once(external_server: Server) -> None:
    before = Account("changing", external_server.ejabberd.hosts[0], "before")
    after = replace(before, password="after")
    await put(external_server, before)
    assert await logs_in(external_server, before)

    await put(external_server, after)

    assert not await logs_in(external_server, before)
    assert await logs_in(external_server, after)


async def test_disabled_account_cannot_log_in(external_server: Server) -> None:
    account = Account("disabled", external_server.ejabberd.hosts[0], "pencil")
    await put(external_server, account)
    assert await logs_in(external_server, account)

    async with session(external_server.muniment) as http:
        url = f"/api/v1/accounts/{account.jid}"
        async with http.patch(url, json={"enabled": False}) as response:
            assert response.ok, await response.text()

    assert not await logs_in(external_server, account)
    assert call(external_server, "user_exists", account) == "false"


async def test_client_registers_changes_password_and_unregisters(external_server: Server) -> None:
    """Clients use XEP-0077, which mod_register implements."""
    account = Account("newcomer", external_server.ejabberd.hosts[0], "before")
    # ejabberd refuses new passwords with characters that Unicode 3.2 does not have.
    changed = replace(account, password=PASSWORD.removesuffix("😀"))
    port = external_server.ejabberd.ports.c2s
    async with Newcomer(account, port) as client:
        await client.register()
    assert await exists(external_server, account)
    async with Newcomer(account, port) as client:
        with pytest.raises(Refused, match="conflict"):
            await client.register()

    async with Client(account, port) as client:
        await client.ask("set", registration(changed), to=account.host)
    assert not await logs_in(external_server, account)

    async with Client(changed, port) as client:
        client.send(f"<iq type='set' id='remove'><query xmlns='{REGISTER}'><remove/></query></iq>")
        await client.wait_for(is_result_or_stream_error)
    assert not await exists(external_server, account)
    assert not await logs_in(external_server, changed)


def is_result_or_stream_error(stanza: Element) -> bool:
    """Whether a stanza ends the removal: the stream may end before the result arrives."""
    return stanza.get("id") == "remove" or local_name(stanza) == "error"


async def test_failed_account_operations_return_errors_to_ejabberd(
    external_server: Server,
) -> None:
    account = Account("nobody", external_server.ejabberd.hosts[0], "pencil")

    assert call(external_server, "user_exists", account) == "false"
    assert call(external_server, "set_password", account, "pencil") == "{error,db_failure}"
    assert call(external_server, "remove_user", account, "pencil") == "{error,not_allowed}"
    assert call(external_server, "try_register", account, "pencil") == "ok"
    assert call(external_server, "try_register", account, "pencil") == "{error,exists}"
    assert call(external_server, "user_exists", account) == "true"
    assert call(external_server, "set_password", account, "pen") == "ok"
    assert call(external_server, "remove_user", account, "pencil") == "{error,not_allowed}"
    assert call(external_server, "user_exists", account) == "true"
    assert call(external_server, "remove_user", account, "pen") == "ok"
    assert call(external_server, "user_exists", account) == "false"


@pytest.mark.parametrize("own_external_server", [True], indirect=True)
async def test_failed_password_change_is_not_cached_by_ejabberd(
    own_external_server: Server,
) -> None:
    """Without an error ejabberd would cache the refused password and accept it."""
    account = Account("nobody", own_external_server.ejabberd.hosts[0], "pencil")

    assert call(own_external_server, "set_password", account, "pencil") == "{error,db_failure}"
    assert not await logs_in(own_external_server, account)


async def test_twenty_simultaneous_logins_succeed(external_server: Server) -> None:
    accounts = external_server.accounts(*["many"] * 20)

    assert all(await asyncio.gather(*(logs_in(external_server, account) for account in accounts)))


async def test_logins_fail_while_muniment_is_stopped_and_succeed_afterwards(
    external_server: Server,
) -> None:
    ann = external_server.account("ann")
    before = processes(external_server)

    await asyncio.to_thread(external_server.muniment.stop)
    try:
        login = await logs_in(external_server, ann)
        exists = call(external_server, "user_exists", ann)
        change = call(external_server, "set_password", ann, "another")
    finally:
        await asyncio.to_thread(external_server.muniment.start)

    assert (login, exists, change) == (False, "false", "{error,db_failure}")
    assert await logs_in(external_server, ann)
    assert processes(external_server) == before
    assert len(before) == 2


async def test_killed_extauth_processes_are_replaced_and_end_with_ejabberd(
    own_external_server: Server,
) -> None:
    ann = own_external_server.account("ann")
    first = processes(own_external_server)
    for id in first:
        os.kill(id, 9)
    await asyncio.to_thread(
        own_external_server.ejabberd.wait_until,
        lambda: len(processes(own_external_server) - first) == 2,
        "starts new processes",
    )
    assert await logs_in(own_external_server, ann)
    last = processes(own_external_server)

    await asyncio.to_thread(own_external_server.ejabberd.stop)

    muniment = own_external_server.muniment
    await asyncio.to_thread(
        muniment.wait_until, lambda: not any(map(is_running, last)), "sees the processes end"
    )


def is_running(id: int) -> bool:
    """Whether a process with this id exists."""
    try:
        os.kill(id, 0)
    except ProcessLookupError:
        return False
    return True


async def test_passwords_are_not_logged(external_server: Server) -> None:
    ann = Account("logged", external_server.ejabberd.hosts[0], "pencil-of-ann")
    await put(external_server, ann)
    await logs_in(external_server, ann)
    await logs_in(external_server, replace(ann, user="pen", password="pencil-of-nobody"))
    call(external_server, "set_password", replace(ann, user="pen"), "pencil-of-nobody")

    own = external_server.ejabberd.folder / "ejabberd.log"
    logs = external_server.ejabberd.log + own.read_text() + external_server.muniment.log

    assert "auth of pen@" in logs
    assert "pencil-of" not in logs
