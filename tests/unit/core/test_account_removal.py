"""The removal of an account with its archive, whole or interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support.accounts import source_of
from support.builders import ALICE, entry, everything, texts
from support.fake_ejabberd_api import fake_accounts
from support.http_services import open_services

from component.core.archiving.writer import Writer
from component.core.errors import Conflict, ItemNotFound, Overloaded
from component.core.retention.account_removal import register_account, remove_account
from component.core.retention.admin import ArchiveAdmin
from component.core.retention.erasure import Erasure
from component.web.server.settings import Services
from storage.open import open_storage

PATIENCE = 30.0


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with open_services() as services:
        await services.accounts.admin.register(ALICE, "pencil")
        await services.writer.store([entry("secret")])
        yield services


@pytest.fixture
async def broken(services: Services) -> AsyncIterator[ArchiveAdmin]:
    """The administration with an erasure that fails: its store is closed."""
    administration = services.administration
    async with open_storage("sqlite::memory:") as closed:
        await closed.close()
        erasure = Erasure(
            closed.retention,
            services.writer,
            administration.holds,
            followers=administration.followers,
            batch=10,
        )
        yield replace(administration, erasure=erasure)


async def test_account_is_removed_with_its_archive(services: Services) -> None:
    await remove_account(services.accounts, services.administration, ALICE, wait_seconds=PATIENCE)

    assert texts(await everything(services.storage.archive)) == []
    with pytest.raises(ItemNotFound):
        await services.accounts.admin.set_password(ALICE, "pencil")


async def test_jid_is_not_registered_while_the_archive_exists(
    services: Services, broken: ArchiveAdmin
) -> None:
    with pytest.raises(Overloaded):
        await remove_account(services.accounts, broken, ALICE, wait_seconds=PATIENCE)

    assert not await services.accounts.authenticator.authenticate(ALICE, "pencil")
    with pytest.raises(Conflict):
        await services.accounts.admin.register(ALICE, "of somebody else")


async def test_failed_removal_is_completed_by_a_second_call(
    services: Services, broken: ArchiveAdmin
) -> None:
    with pytest.raises(Overloaded):
        await remove_account(services.accounts, broken, ALICE, wait_seconds=PATIENCE)
    await remove_account(services.accounts, services.administration, ALICE, wait_seconds=PATIENCE)

    assert texts(await everything(services.storage.archive)) == []
    await services.accounts.admin.register(ALICE, "of somebody else")


async def test_removal_of_unknown_account_keeps_the_archive(services: Services) -> None:
    await services.accounts.admin.remove(ALICE)

    with pytest.raises(ItemNotFound):
        await remove_account(
            services.accounts, services.administration, ALICE, wait_seconds=PATIENCE
        )

    assert texts(await everything(services.storage.archive)) == [entry("secret").xml]


async def test_ejabberd_account_is_removed_with_its_archive(services: Services) -> None:
    async with fake_accounts("0") as ejabberd:
        await remove_account(
            source_of(ejabberd), services.administration, ALICE, wait_seconds=PATIENCE
        )

    assert texts(await everything(services.storage.archive)) == []


async def test_failed_erasure_of_removed_ejabberd_account_is_reported(
    broken: ArchiveAdmin,
) -> None:
    async with fake_accounts("0") as ejabberd:
        accounts = source_of(ejabberd)
        with pytest.raises(Overloaded, match="its archive is not"):
            await remove_account(accounts, broken, ALICE, wait_seconds=PATIENCE)


async def test_account_is_removed_only_after_its_large_archive(services: Services) -> None:
    with pytest.raises(Overloaded):
        await remove_account(services.accounts, services.administration, ALICE, wait_seconds=0)
    with pytest.raises(Conflict):
        await services.accounts.admin.register(ALICE, "of somebody else")

    await remove_account(services.accounts, services.administration, ALICE, wait_seconds=PATIENCE)
    await services.accounts.admin.register(ALICE, "of somebody else")
    assert texts(await everything(services.storage.archive)) == []


async def test_unfinished_erasure_of_removed_ejabberd_account_is_reported(
    services: Services,
) -> None:
    original, writer = services.administration, Writer(services.storage.archive)
    writer.put([entry("not written yet")])
    erasure = Erasure(
        services.storage.retention, writer, original.holds, followers=original.followers, batch=1
    )
    administration = replace(original, erasure=erasure)
    async with fake_accounts("0") as ejabberd:
        with pytest.raises(Overloaded, match="still being erased"):
            await remove_account(source_of(ejabberd), administration, ALICE, wait_seconds=0)
        with pytest.raises(Conflict, match="being erased"):
            await register_account(source_of(ejabberd), administration, ALICE, "of somebody else")

        write_task = asyncio.create_task(writer.run())
        assert (await erasure.erase(ALICE, wait_seconds=PATIENCE)).done
        await register_account(source_of(ejabberd), administration, ALICE, "of somebody else")
        writer.stop()
        await write_task

    assert texts(await everything(services.storage.archive)) == []
