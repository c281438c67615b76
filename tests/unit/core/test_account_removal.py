"""An account leaves with its archive, and between the two nobody gets at either."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support.api import answering
from support.builders import ALICE, entry, everything, texts
from support.sidecar import open_services

from component.core.archiving.writer import Writer
from component.core.errors import Conflict, ItemNotFound, Overloaded
from component.core.retention.account_removal import register_account, remove_account
from component.core.retention.admin import ArchiveAdmin
from component.core.retention.erasure import Erasure
from component.web.server.settings import Services
from storage.open import open_storage

PATIENCE = 10.0


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with open_services() as services:
        await services.accounts.register(ALICE, "pencil")
        await services.writer.store([entry("secret")])
        yield services


@pytest.fixture
async def broken(services: Services) -> AsyncIterator[ArchiveAdmin]:
    """What cannot erase: its store is away."""
    known = services.administration
    async with open_storage("sqlite::memory:") as away:
        await away.close()
        erasure = Erasure(
            away.retention, services.writer, known.holds, followers=known.followers, batch=10
        )
        yield replace(known, erasure=erasure)


async def test_an_account_leaves_with_its_archive(services: Services) -> None:
    await remove_account(services.accounts, services.administration, ALICE, wait_seconds=PATIENCE)

    assert texts(await everything(services.storage.archive)) == []
    with pytest.raises(ItemNotFound):
        await services.accounts.set_password(ALICE, "pencil")


async def test_while_the_archive_is_there_nobody_gets_the_name(
    services: Services, broken: ArchiveAdmin
) -> None:
    with pytest.raises(Overloaded):
        await remove_account(services.accounts, broken, ALICE, wait_seconds=PATIENCE)

    assert not await services.accounts.authenticate(ALICE, "pencil")
    with pytest.raises(Conflict):
        await services.accounts.register(ALICE, "of somebody else")


async def test_what_was_broken_off_is_done_when_it_is_asked_for_again(
    services: Services, broken: ArchiveAdmin
) -> None:
    with pytest.raises(Overloaded):
        await remove_account(services.accounts, broken, ALICE, wait_seconds=PATIENCE)
    await remove_account(services.accounts, services.administration, ALICE, wait_seconds=PATIENCE)

    assert texts(await everything(services.storage.archive)) == []
    await services.accounts.register(ALICE, "of somebody else")


async def test_the_archive_of_somebody_without_an_account_stays(services: Services) -> None:
    await services.accounts.remove(ALICE)

    with pytest.raises(ItemNotFound):
        await remove_account(
            services.accounts, services.administration, ALICE, wait_seconds=PATIENCE
        )

    assert texts(await everything(services.storage.archive)) == [entry("secret").xml]


async def test_an_account_of_ejabberd_leaves_with_its_archive(services: Services) -> None:
    async with answering("0") as accounts:
        await remove_account(accounts, services.administration, ALICE, wait_seconds=PATIENCE)

    assert texts(await everything(services.storage.archive)) == []


async def test_an_archive_that_is_left_by_an_account_of_ejabberd_is_told(
    broken: ArchiveAdmin,
) -> None:
    async with answering("0") as accounts:
        with pytest.raises(Overloaded, match="its archive is not"):
            await remove_account(accounts, broken, ALICE, wait_seconds=PATIENCE)


async def test_an_account_waits_for_a_large_archive(services: Services) -> None:
    with pytest.raises(Overloaded):
        await remove_account(services.accounts, services.administration, ALICE, wait_seconds=0)
    with pytest.raises(Conflict):
        await services.accounts.register(ALICE, "of somebody else")

    await remove_account(services.accounts, services.administration, ALICE, wait_seconds=PATIENCE)
    await services.accounts.register(ALICE, "of somebody else")
    assert texts(await everything(services.storage.archive)) == []


async def test_a_large_archive_that_is_left_by_an_account_of_ejabberd_is_told(
    services: Services,
) -> None:
    known, writer = services.administration, Writer(services.storage.archive)
    writer.put([entry("not written yet")])
    erasure = Erasure(
        services.storage.retention, writer, known.holds, followers=known.followers, batch=1
    )
    administration = replace(known, erasure=erasure)
    async with answering("0") as accounts:
        with pytest.raises(Overloaded, match="still being erased"):
            await remove_account(accounts, administration, ALICE, wait_seconds=0)
        with pytest.raises(Conflict, match="being erased"):
            await register_account(accounts, administration, ALICE, "of somebody else")

        writing = asyncio.create_task(writer.run())
        assert (await erasure.erase(ALICE, wait_seconds=PATIENCE)).done
        await register_account(accounts, administration, ALICE, "of somebody else")
        writer.stop()
        await writing

    assert texts(await everything(services.storage.archive)) == []
