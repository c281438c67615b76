"""The entry of a call in the audit log, and when the command runs: with a store that is slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from support.ejabberd_api import ADMIN, PERMISSIONS, FakeModHttpApi
from support.writer import open_writer

from component.core.access.audit import Audit
from component.core.archiving.writer import Writer
from component.core.ejabberd_api.callers.permissions import Caller
from component.core.ejabberd_api.catalogue import BY_NAME, DEFINITIONS
from component.core.ejabberd_api.definitions import ApiRole
from component.core.ejabberd_api.native.backend import Backend
from component.core.ejabberd_api.native.rooms import RoomCommands
from component.core.ejabberd_api.refusals import ApiRefusal
from component.core.ejabberd_api.service import EjabberdApiService
from component.core.errors import Overloaded
from component.xmpp.connection.addresses import Addresses
from storage.errors import Unavailable
from storage.interface import Archive, Storage
from storage.open import open_storage
from storage.rows import NewMessage

CALLER = Caller(ADMIN, ApiRole.ADMIN)
MESSAGE = {"type": "chat", "from": ADMIN, "to": ADMIN, "subject": "", "body": "Hi"}
USER = {"user": "bob", "host": "example.org"}


class SlowArchive:
    """The real archive, which writes when a test lets it, or fails."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.begun, self.free = asyncio.Event(), asyncio.Event()
        self.fails = False
        self.unfinished_retractions = archive.unfinished_retractions

    async def append(self, batch: Sequence[NewMessage]) -> None:
        self.begun.set()
        await self.free.wait()
        if self.fails:
            raise Unavailable("disk full")
        await self._archive.append(batch)


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    async with open_storage("sqlite::memory:") as storage:
        yield storage


@pytest.fixture
def archive(storage: Storage) -> SlowArchive:
    return SlowArchive(storage.archive)


@pytest.fixture
def fake() -> FakeModHttpApi:
    return FakeModHttpApi()


@pytest.fixture
async def writer(archive: Any) -> AsyncIterator[Writer]:
    async with open_writer(archive, first_retry_seconds=0.001) as writer:
        yield writer
        archive.fails = False
        archive.free.set()


@pytest.fixture
def service(storage: Storage, writer: Writer, fake: FakeModHttpApi) -> EjabberdApiService:
    backend, audit = Backend(fake), Audit(storage.audit_log, writer)
    rooms = RoomCommands(backend, Addresses())
    return EjabberdApiService(PERMISSIONS, backend, audit, rooms, {})


def calling(service: EjabberdApiService, name: str, **arguments: str) -> asyncio.Task[Any]:
    """Begin a call."""
    run = service.run(CALLER, BY_NAME[name], list(arguments.items()), version=3)
    return asyncio.create_task(run)


async def actions(storage: Storage) -> list[str]:
    entries = await storage.audit_log.entries(limit=9, before=None, subject=None)
    return [entry.action for entry in entries]


async def until_run(fake: FakeModHttpApi) -> None:
    async with asyncio.timeout(30):
        while not fake.requests:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(("name", "arguments"), [("send_message", MESSAGE), ("get_roster", USER)])
async def test_message_or_read_runs_while_its_entry_is_written_and_is_answered_after_it(
    service: EjabberdApiService,
    archive: SlowArchive,
    storage: Storage,
    fake: FakeModHttpApi,
    name: str,
    arguments: dict[str, str],
) -> None:
    call = calling(service, name, **arguments)
    await until_run(fake)

    done, _ = await asyncio.wait({call}, timeout=0.05)
    assert not done
    archive.free.set()

    assert await call == 0
    assert await actions(storage) == [f"api {name}"]


async def test_change_of_an_account_waits_for_its_entry(
    service: EjabberdApiService, archive: SlowArchive, fake: FakeModHttpApi
) -> None:
    call = calling(service, "unregister", **USER)
    await archive.begun.wait()
    assert fake.requests == []

    archive.free.set()
    await call

    assert [path for path, _ in fake.requests] == ["unregister/v3"]


async def test_entry_that_is_not_written_is_no_result_and_the_error_names_the_command(
    service: EjabberdApiService,
    archive: SlowArchive,
    fake: FakeModHttpApi,
    caplog: pytest.LogCaptureFixture,
) -> None:
    call = calling(service, "send_message", **MESSAGE)
    await until_run(fake)
    archive.fails = True
    archive.free.set()

    with pytest.raises(Overloaded, match="but send_message may have been run"):
        await call
    assert f"{ADMIN} called send_message, and the audit log does not have it" in caplog.text


async def test_nothing_is_sent_while_the_store_is_known_to_fail(
    service: EjabberdApiService, writer: Writer, fake: FakeModHttpApi
) -> None:
    async with writer.writes_paused():
        with pytest.raises(Overloaded):
            await calling(service, "send_message", **MESSAGE)

    assert fake.requests == []


async def test_refusal_of_ejabberd_is_answered_after_the_entry_too(
    service: EjabberdApiService, archive: SlowArchive, storage: Storage, fake: FakeModHttpApi
) -> None:
    archive.free.set()
    fake.is_up = False

    with pytest.raises(Exception, match="does not answer its HTTP API"):
        await calling(service, "send_message", **MESSAGE)
    assert await actions(storage) == ["api send_message"]


def test_only_messages_presences_and_reads_run_before_their_entry_is_durable() -> None:
    early = {item.name for item in DEFINITIONS if item.changes and not item.is_recorded_first}

    assert early == {"send_message", "send_chat_state", "set_presence"}


async def test_wrong_arguments_are_refused_before_anything_runs(
    service: EjabberdApiService, archive: SlowArchive, fake: FakeModHttpApi
) -> None:
    archive.free.set()
    with pytest.raises(ApiRefusal):
        await calling(service, "send_message")
    assert fake.requests == []
