"""ejabberd asks Muniment who may log in (auth_method: external), and real clients log in."""

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

#: What it tests differs between releases of ejabberd.
pytestmark = pytest.mark.every_ejabberd

SASL = "{urn:ietf:params:xml:ns:xmpp-sasl}"
REGISTER = "jabber:iq:register"

#: What a password may hold, and what would do harm in a query or between colons.
PASSWORD = "a:b::c%41+&=#? pencil ü€😀"


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Server]:
    with external(tmp_path_factory.mktemp("external"), release) as server:
        yield server


@pytest.fixture
def own_asking(
    tmp_path: Path, release: Release, request: pytest.FixtureRequest
) -> Iterator[Server]:
    """One for a test that stops it, parametrized indirectly by whether ejabberd has a cache."""
    with external(tmp_path, release, cache=getattr(request, "param", False)) as server:
        yield server


class Newcomer(Client):
    """A client without an account, to make one (XEP-0077)."""

    async def _log_in(self) -> None:
        await self._open(f"{SASL}mechanisms")

    async def register(self) -> None:
        """Make the account. Raises Refused."""
        await self.ask("set", registration(self.account))

    @property
    def mechanisms(self) -> set[str]:
        """What the server lets clients show passwords by."""
        features = next(one for one in self.received if local_name(one) == "features")
        return {mechanism.text or "" for mechanism in features.iter(f"{SASL}mechanism")}


def registration(account: Account) -> str:
    """Return what makes an account, or changes its password."""
    return (
        f"<query xmlns='{REGISTER}'><username>{escape(account.user)}</username>"
        f"<password>{escape(account.password)}</password></query>"
    )


async def put(server: Server, account: Account) -> None:
    """Make an account in Muniment, or change its password."""
    async with session(server.muniment) as http:
        url = f"/api/v1/accounts/{account.jid}"
        async with http.put(url, json={"password": account.password}) as answer:
            assert answer.status in (200, 201, 204), await answer.text()


async def exists(server: Server, account: Account) -> bool:
    """Whether Muniment knows the user."""
    async with (
        session(server.muniment) as http,
        http.get(f"/api/{account.host}/user", params={"username": account.user}) as answer,
    ):
        return answer.status == 200


def call(server: Server, function: str, account: Account, *more: str) -> str:
    """Return what a function of ejabberd says about an account."""
    texts = [f"<<{','.join(map(str, text.encode()))}>>" for text in (account.user, account.host)]
    texts += [f"<<{','.join(map(str, text.encode()))}>>" for text in more]
    return server.ejabberd.evaluate(f"ejabberd_auth:{function}({', '.join(texts)})")


@pytest.mark.parametrize("host", [0, 1])
async def test_users_of_muniment_log_in_by_their_passwords(asking: Server, host: int) -> None:
    ann = Account(f"ann{host}", asking.ejabberd.hosts[host], PASSWORD)
    await put(asking, ann)

    assert await logs_in(asking, ann)
    assert not await logs_in(asking, replace(ann, password=PASSWORD + ":"))
    assert not await logs_in(asking, replace(ann, host=asking.ejabberd.hosts[1 - host]))
    assert not await logs_in(asking, replace(ann, user="nobody"))


async def test_passwords_are_shown_in_full_never_by_scram(asking: Server) -> None:
    """RFC 5802 section 9: the server would need what only Muniment has."""
    nobody = Account("nobody", asking.ejabberd.hosts[0], "")
    async with Newcomer(nobody, asking.ejabberd.ports.c2s) as client:
        assert "PLAIN" in client.mechanisms
        assert not [one for one in client.mechanisms if one.startswith(("SCRAM", "DIGEST"))]


async def test_a_password_that_is_changed_in_muniment_counts_at_once(asking: Server) -> None:
    before = Account("changing", asking.ejabberd.hosts[0], "before")
    after = replace(before, password="after")
    await put(asking, before)
    assert await logs_in(asking, before)

    await put(asking, after)

    assert not await logs_in(asking, before)
    assert await logs_in(asking, after)


async def test_an_account_that_is_disabled_is_not_let_in(asking: Server) -> None:
    account = Account("disabled", asking.ejabberd.hosts[0], "pencil")
    await put(asking, account)
    assert await logs_in(asking, account)

    async with session(asking.muniment) as http:
        url = f"/api/v1/accounts/{account.jid}"
        async with http.patch(url, json={"enabled": False}) as answer:
            assert answer.ok, await answer.text()

    assert not await logs_in(asking, account)
    assert call(asking, "user_exists", account) == "false"


async def test_clients_make_change_and_remove_accounts(asking: Server) -> None:
    """XEP-0077, by mod_register."""
    account = Account("newcomer", asking.ejabberd.hosts[0], "before")
    # ejabberd lets nobody choose what Unicode 3.2 does not have.
    changed = replace(account, password=PASSWORD.removesuffix("😀"))
    port = asking.ejabberd.ports.c2s
    async with Newcomer(account, port) as client:
        await client.register()
    assert await exists(asking, account)
    async with Newcomer(account, port) as client:
        with pytest.raises(Refused, match="conflict"):
            await client.register()

    async with Client(account, port) as client:
        await client.ask("set", registration(changed), to=account.host)
    assert not await logs_in(asking, account)

    async with Client(changed, port) as client:
        client.send(f"<iq type='set' id='remove'><query xmlns='{REGISTER}'><remove/></query></iq>")
        await client.wait_for(is_end_or_result)
    assert not await exists(asking, account)
    assert not await logs_in(asking, changed)


def is_end_or_result(stanza: Element) -> bool:
    """Whether an account is removed: its stream may end before it is told."""
    return stanza.get("id") == "remove" or local_name(stanza) == "error"


async def test_ejabberd_is_told_what_was_not_done(asking: Server) -> None:
    account = Account("nobody", asking.ejabberd.hosts[0], "pencil")

    assert call(asking, "user_exists", account) == "false"
    assert call(asking, "set_password", account, "pencil") == "{error,db_failure}"
    assert call(asking, "remove_user", account, "pencil") == "{error,not_allowed}"
    assert call(asking, "try_register", account, "pencil") == "ok"
    assert call(asking, "try_register", account, "pencil") == "{error,exists}"
    assert call(asking, "user_exists", account) == "true"
    assert call(asking, "set_password", account, "pen") == "ok"
    assert call(asking, "remove_user", account, "pencil") == "{error,not_allowed}"
    assert call(asking, "user_exists", account) == "true"
    assert call(asking, "remove_user", account, "pen") == "ok"
    assert call(asking, "user_exists", account) == "false"


@pytest.mark.parametrize("own_asking", [True], indirect=True)
async def test_what_was_not_set_is_in_no_cache_of_ejabberd(own_asking: Server) -> None:
    """ejabberd would keep a password whose setting is answered with no, and let it in."""
    account = Account("nobody", own_asking.ejabberd.hosts[0], "pencil")

    assert call(own_asking, "set_password", account, "pencil") == "{error,db_failure}"
    assert not await logs_in(own_asking, account)


async def test_many_log_in_at_once(asking: Server) -> None:
    accounts = asking.accounts(*["many"] * 20)

    assert all(await asyncio.gather(*(logs_in(asking, account) for account in accounts)))


async def test_nobody_logs_in_until_muniment_is_back(own_asking: Server) -> None:
    ann = own_asking.account("ann")
    before = processes(own_asking)

    await asyncio.to_thread(own_asking.muniment.stop)
    assert not await logs_in(own_asking, ann)
    assert call(own_asking, "user_exists", ann) == "false"
    assert call(own_asking, "set_password", ann, "another") == "{error,db_failure}"
    await asyncio.to_thread(own_asking.muniment.start)

    assert await logs_in(own_asking, ann)
    assert processes(own_asking) == before
    assert len(before) == 2


async def test_processes_that_die_are_replaced_and_all_end_with_ejabberd(
    own_asking: Server,
) -> None:
    ann = own_asking.account("ann")
    first = processes(own_asking)
    for id in first:
        os.kill(id, 9)
    await asyncio.to_thread(
        own_asking.ejabberd.wait_until,
        lambda: len(processes(own_asking) - first) == 2,
        "starts others",
    )
    assert await logs_in(own_asking, ann)
    last = processes(own_asking)

    await asyncio.to_thread(own_asking.ejabberd.stop)

    muniment = own_asking.muniment
    await asyncio.to_thread(muniment.wait_until, lambda: not any(map(runs, last)), "sees them end")


def runs(id: int) -> bool:
    """Whether there is a process of this id."""
    try:
        os.kill(id, 0)
    except ProcessLookupError:
        return False
    return True


async def test_passwords_are_in_no_log(asking: Server) -> None:
    ann = Account("logged", asking.ejabberd.hosts[0], "pencil-of-ann")
    await put(asking, ann)
    await logs_in(asking, ann)
    await logs_in(asking, replace(ann, user="pen", password="pencil-of-nobody"))
    call(asking, "set_password", replace(ann, user="pen"), "pencil-of-nobody")

    own = asking.ejabberd.folder / "ejabberd.log"
    logs = asking.ejabberd.log + own.read_text() + asking.muniment.log

    assert "auth of pen@" in logs
    assert "pencil-of" not in logs
