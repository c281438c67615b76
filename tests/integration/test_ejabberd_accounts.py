"""Accounts of a real ejabberd: over its API, and by logging in."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from support.account_api import with_account_api
from support.command import run_command
from support.command_clients import line
from support.ejabberd import Account, Ejabberd
from support.muniment import Muniment
from support.ports import LOOPBACK, free_port
from support.releases import Release
from support.remote_data import session
from support.server import Server

from component.clients.ejabberd_accounts import EjabberdAccounts
from component.clients.ejabberd_http import EjabberdApi
from component.clients.ejabberd_login import EjabberdLogins
from component.config.ejabberd_yml import ACCOUNT_COMMANDS
from component.core.accounts.protocol import AccountSummary
from component.core.errors import BadRequest, Conflict, ItemNotFound, NotAllowed, Overloaded

#: The API of ejabberd differs between releases.
pytestmark = pytest.mark.every_ejabberd


@pytest.fixture(scope="module")
def ejabberd(tmp_path_factory: pytest.TempPathFactory, release: Release) -> Iterator[Ejabberd]:
    folder = tmp_path_factory.mktemp("ejabberd")
    with Ejabberd(folder, release, changes=with_account_api()) as running:
        yield running


def api_url(ejabberd: Ejabberd) -> str:
    return f"http://{LOOPBACK}:{ejabberd.ports.http}/api"


@pytest.fixture
def url(ejabberd: Ejabberd) -> str:
    return api_url(ejabberd)


@pytest.fixture
async def accounts(url: str) -> AsyncIterator[EjabberdAccounts]:
    async with EjabberdApi(url) as api:
        yield EjabberdAccounts(api)


@pytest.fixture
def logins(ejabberd: Ejabberd) -> EjabberdLogins:
    return EjabberdLogins(LOOPBACK, ejabberd.ports.c2s)


@pytest.fixture
def ann(ejabberd: Ejabberd) -> Account:
    account = Account(f"ann-{secrets.token_hex(3)}", ejabberd.hosts[0], "pass: wörd 1%")
    ejabberd.register(account)
    return account


# Over the API


async def test_api_checks_passwords_and_existence(
    accounts: EjabberdAccounts, ann: Account
) -> None:
    stranger = f"nobody@{ann.host}"

    assert await accounts.authenticate(ann.jid, ann.password)
    assert not await accounts.authenticate(ann.jid, "wrong")
    assert not await accounts.authenticate(ann.jid, "")
    assert not await accounts.authenticate(stranger, ann.password)
    assert (await accounts.exists(ann.jid), await accounts.exists(stranger)) == (True, False)
    assert not await accounts.authenticate("ann@elsewhere.test", ann.password)


async def test_api_registers_changes_and_removes_an_account(
    accounts: EjabberdAccounts, logins: EjabberdLogins, ejabberd: Ejabberd
) -> None:
    jid = f"bob-{secrets.token_hex(3)}@{ejabberd.hosts[1]}"
    await accounts.register(jid, "first")
    assert await logins.authenticate(jid, "first")
    with pytest.raises(Conflict):
        await accounts.register(jid, "other")

    await accounts.set_password(jid, "second: ü")
    assert await logins.authenticate(jid, "second: ü")
    assert not await accounts.authenticate(jid, "first")

    await accounts.remove(jid)
    assert not await accounts.exists(jid)
    assert not await logins.authenticate(jid, "second: ü")


async def test_passwords_are_not_in_the_log_of_ejabberd(
    accounts: EjabberdAccounts, ejabberd: Ejabberd
) -> None:
    jid = f"sue-{secrets.token_hex(3)}@{ejabberd.hosts[0]}"
    await accounts.register(jid, "registered-word")
    await accounts.authenticate(jid, "tried-word")
    await accounts.set_password(jid, "changed-word")

    logged = ejabberd.log + (ejabberd.folder / "ejabberd.log").read_text()
    assert "API call check_password" in logged
    assert "-word" not in logged


async def test_password_change_of_nonexistent_account_is_item_not_found(
    accounts: EjabberdAccounts, ejabberd: Ejabberd
) -> None:
    stranger = f"nobody@{ejabberd.hosts[0]}"

    for change in (accounts.set_password(stranger, "x"), accounts.remove(stranger)):
        with pytest.raises(ItemNotFound):
            await change
    assert not await accounts.exists(stranger)


async def test_unsupported_account_changes_are_refused(
    accounts: EjabberdAccounts, ann: Account
) -> None:
    for change in (
        accounts.register("bob@elsewhere.test", "x"),
        accounts.register(f"bob@{ann.host}", ""),
        accounts.set_password(ann.jid, ""),
    ):
        with pytest.raises(BadRequest):
            await change


async def test_account_is_banned_and_unbanned_where_ejabberd_tells_of_bans(
    accounts: EjabberdAccounts, logins: EjabberdLogins, ann: Account, release: Release
) -> None:
    if not release.has_bans:
        with pytest.raises(NotAllowed, match="ejabberdctl ban_account"):
            await accounts.set_enabled(ann.jid, False)
        assert (await accounts.get(ann.jid)).is_enabled is None
        assert await logins.authenticate(ann.jid, ann.password)
        return

    for is_enabled in (False, False, True, True):
        await accounts.set_enabled(ann.jid, is_enabled)
        assert (await accounts.get(ann.jid)).is_enabled is is_enabled
        assert await accounts.authenticate(ann.jid, ann.password) is is_enabled
        assert await logins.authenticate(ann.jid, ann.password) is is_enabled
    with pytest.raises(ItemNotFound):
        await accounts.set_enabled(f"nobody@{ann.host}", False)


async def test_account_is_not_disabled_without_the_permission_to_ban(
    tmp_path: Path, release: Release
) -> None:
    changes = with_account_api(commands=ACCOUNT_COMMANDS)
    with Ejabberd(tmp_path, release, changes=changes) as ejabberd:
        account = Account("ann", ejabberd.hosts[0], "pencil")
        ejabberd.register(account)
        async with EjabberdApi(api_url(ejabberd)) as api:
            accounts = EjabberdAccounts(api)
            assert (await accounts.get(account.jid)).is_enabled is None
            with pytest.raises(NotAllowed, match="api_permissions"):
                await accounts.set_enabled(account.jid, False)


async def test_accounts_are_listed_page_by_page(
    accounts: EjabberdAccounts, ejabberd: Ejabberd
) -> None:
    host = ejabberd.hosts[1]
    names = [f"page-{secrets.token_hex(3)}" for _ in range(5)]
    ejabberd.register(*(Account(name, host, "x") for name in names))
    summaries: list[AccountSummary] = []
    while page := await accounts.list(host, summaries[-1].jid if summaries else "", 2):
        summaries += page

    jids = [summary.jid for summary in summaries]
    assert {f"{name}@{host}" for name in names} <= set(jids)
    assert jids == sorted(set(jids))
    assert {summary.is_enabled for summary in summaries} == {None}
    assert await accounts.count(host) == len(jids)


async def test_api_that_rejects_the_credentials_is_logged_once(
    url: str, ann: Account, caplog: pytest.LogCaptureFixture
) -> None:
    async with EjabberdApi(url, ann.jid, "not-the-password") as api:
        with pytest.raises(Overloaded):
            await EjabberdAccounts(api).exists(ann.jid)

    [record] = [record for record in caplog.records if record.name.startswith("component")]
    assert record.levelno == logging.ERROR
    assert "not-the-password" not in caplog.text


async def test_unreachable_api_is_overloaded(caplog: pytest.LogCaptureFixture) -> None:
    async with EjabberdApi(f"http://{LOOPBACK}:{free_port()}/api") as api:
        with pytest.raises(Overloaded):
            await EjabberdAccounts(api).authenticate("ann@one.test", "pencil")

    assert "pencil" not in caplog.text


async def test_url_without_api_is_overloaded(ejabberd: Ejabberd) -> None:
    async with EjabberdApi(f"http://{LOOPBACK}:{ejabberd.ports.http}/ws") as api:
        with pytest.raises(Overloaded):
            await EjabberdAccounts(api).exists("ann@one.test")


# By logging in


async def test_login_checks_the_password(logins: EjabberdLogins, ann: Account) -> None:
    assert await logins.authenticate(ann.jid, ann.password)
    assert not await logins.authenticate(ann.jid, "wrong")
    assert not await logins.authenticate(ann.jid, "")
    assert not await logins.authenticate(f"nobody@{ann.host}", ann.password)


async def test_login_leaves_no_session(
    logins: EjabberdLogins, ann: Account, ejabberd: Ejabberd
) -> None:
    for _ in range(3):
        assert await logins.authenticate(ann.jid, ann.password)

    assert ejabberd.evaluate("ejabberd_sm:connected_users_number()") == "0"


async def test_login_at_unserved_host_is_overloaded(logins: EjabberdLogins) -> None:
    with pytest.raises(Overloaded):
        await logins.authenticate("ann@elsewhere.test", "x")


async def test_login_without_listener_is_overloaded() -> None:
    with pytest.raises(Overloaded):
        await EjabberdLogins(LOOPBACK, free_port()).authenticate("ann@one.test", "x")


async def test_login_cannot_tell_whether_an_account_exists(logins: EjabberdLogins) -> None:
    with pytest.raises(NotAllowed, match="api_url"):
        await logins.exists("ann@one.test")


# The whole program


@pytest.fixture(scope="module", params=["api", "login"])
def muniment(
    request: pytest.FixtureRequest,
    ejabberd: Ejabberd,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Muniment]:
    sources = {
        "api": {"api_url": api_url(ejabberd)},
        "login": {"login_address": LOOPBACK, "login_port": ejabberd.ports.c2s},
    }
    options = {"accounts": sources[request.param]}
    with Muniment(tmp_path_factory.mktemp("muniment"), ejabberd, options=options) as running:
        yield running


async def test_remote_data_checks_passwords_of_ejabberd(muniment: Muniment, ann: Account) -> None:
    async with session(muniment) as http:
        query = {"username": ann.user, "password": ann.password}
        accepted = await http.get("/api/auth", params=query)
        rejected = await http.get("/api/auth", params=query | {"password": "wrong-one"})

    assert (accepted.status, rejected.status) == (200, 401)
    for secret in ("wrong-one", "pass: w", "pass%3A"):
        assert secret not in muniment.log


async def test_account_requests_are_refused_without_configured_accounts(
    ejabberd: Ejabberd, ann: Account, tmp_path: Path
) -> None:
    """The configuration of the README names no source of accounts, neither API nor login."""
    added = Account(f"made-{secrets.token_hex(3)}", ann.host, "pencil")
    with Muniment(tmp_path, ejabberd) as muniment:
        async with session(muniment) as http:
            statuses = []
            for password in (ann.password, "wrong-one"):
                query = {"username": ann.user, "password": password}
                statuses.append((await http.get("/api/auth", params=query)).status)
        refused = await asyncio.to_thread(
            line, Server(ejabberd, muniment), "add-user", added.jid, stdin=f"{added.password}\n"
        )

    assert statuses == [409, 409]
    assert refused.returncode == 1
    assert "live in ejabberd" in refused.stderr
    assert "ejabberdctl (register" in refused.stderr
    assert not await EjabberdLogins(LOOPBACK, ejabberd.ports.c2s).authenticate(
        added.jid, added.password
    )


def test_check_config_reaches_ejabberd_for_accounts(muniment: Muniment) -> None:
    muniment.stop()
    check = run_command("check-config", "--config", str(muniment.config_path))

    assert check.returncode == 0, check.stdout
    assert "ok  accounts: ejabberd at " in check.stdout
