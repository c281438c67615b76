"""Followers of an archive are woken by new messages once these can be read."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientSession
from support.builders import ALICE, BOB, delete_all_but, entry
from support.http_services import SECRET_HEADERS, SETTINGS, open_services
from support.operator_commands import named

from component.core.access.principals import SERVER
from component.core.archiving.writer import Writer
from component.core.reading.follow import FROM_START, ArchiveStreams, Followers
from component.web.app import serve
from storage.open import open_storage
from storage.rows import ANY

PAUSE = 60.0


async def test_followers_are_woken_once_messages_are_durable() -> None:
    async with open_storage("sqlite::memory:") as storage:
        live = Followers()
        writer = Writer(storage.archive, on_written=live.changed)
        with live.follow(ALICE) as hers, live.follow(BOB) as his:
            writer.put([entry(1)])
            assert not hers.changed.is_set()
            running = asyncio.create_task(writer.run())
            await hers.changed.wait()

            assert await storage.archive.count(ALICE, ANY) == 1
            assert not his.changed.is_set()
        writer.stop()
        await running


def test_change_of_a_journal_wakes_only_followers_that_hear_of_it() -> None:
    followers = Followers()
    with (
        followers.follow(ALICE) as stream,
        followers.follow(ALICE, hears_events=True) as poll,
        followers.follow(BOB, hears_events=True) as other,
    ):
        followers.events_changed([ALICE])

        assert (stream.changed.is_set(), poll.changed.is_set(), other.changed.is_set()) == (
            False,
            True,
            False,
        )


async def test_batch_wakes_the_followers_of_all_its_archives() -> None:
    async with open_services() as services:
        with services.followers.follow(ALICE) as hers, services.followers.follow(BOB) as his:
            await services.writer.store([entry(1, owner=ALICE), entry(1, owner=BOB)])
            await asyncio.gather(hers.changed.wait(), his.changed.wait())


@pytest.mark.parametrize("count", [0, 3])
async def test_stream_ends_at_erasure_before_messages_of_the_next_owner(count: int) -> None:
    async with open_services() as services:
        streams = ArchiveStreams(services.storage.archive, services.queue, services.followers)
        await services.writer.store([entry(n) for n in range(count)])
        messages = (await streams.open(ALICE, ANY, FROM_START)).messages(pause=0.01)
        assert len(await anext(messages)) == count

        await services.administration.erasure.erase(ALICE, wait_seconds=10.0)
        await services.writer.store([entry("of somebody else")])

        assert [page async for page in messages if page] == []


async def test_stream_ends_if_its_position_was_erased_unannounced() -> None:
    async with open_services() as services:
        streams = ArchiveStreams(services.storage.archive, services.queue, services.followers)
        await services.writer.store([entry(1)])
        messages = (await streams.open(ALICE, ANY, FROM_START)).messages(pause=0.01)
        assert len(await anext(messages)) == 1

        await services.storage.retention.erase(ALICE, limit=100)
        await services.writer.store([entry("of somebody else")])

        assert [page async for page in messages if page] == []


async def test_stream_that_begins_during_an_erasure_ends() -> None:
    live = Followers()
    with live.erasing(ALICE), live.follow(ALICE) as hers, live.follow(BOB) as his:
        assert (hers.is_over, his.is_over) == (True, False)
    with live.follow(ALICE) as hers:
        assert not hers.is_over


@pytest.mark.parametrize("is_over_http", [True, False])
async def test_stream_ends_when_the_account_is_registered(is_over_http: bool) -> None:
    async with open_services() as services:
        with services.followers.follow(ALICE) as hers, services.followers.follow(BOB) as his:
            if is_over_http:
                async with serve(SETTINGS, services) as url, ClientSession(url) as http:
                    path = f"/api/v1/accounts/{ALICE}"
                    async with http.put(
                        path, json={"password": "p"}, headers=SECRET_HEADERS
                    ) as answer:
                        assert answer.status == 201
            else:
                fields = {"accountjid": [ALICE], "password": ["p"]}
                await services.commands.run(SERVER, named("add-user"), fields)

            assert (hers.is_over, his.is_over) == (True, False)


async def test_stream_repeats_nothing_after_a_purge() -> None:
    async with open_services() as services:
        streams = ArchiveStreams(services.storage.archive, services.queue, services.followers)
        await services.writer.store([entry("before")])
        messages = (await streams.open(ALICE, ANY, None)).messages(pause=PAUSE)
        await services.writer.store([entry(n) for n in range(100)])
        assert len(await anext(messages)) == 100

        await delete_all_but(services.storage, 0)
        await services.writer.store([entry("behind")])

        assert [message.xml for message in await anext(messages)] == [entry("behind").xml]
        await messages.aclose()


async def test_stream_from_the_start_reads_all_pages_in_order() -> None:
    async with open_services() as services:
        streams = ArchiveStreams(services.storage.archive, services.queue, services.followers)
        await services.writer.store([entry(n) for n in range(250)])
        stream = await streams.open(ALICE, ANY, FROM_START)

        read: list[str] = []
        messages = stream.messages(pause=PAUSE)
        while len(read) < 250:
            read += [message.xml for message in await anext(messages)]
        await messages.aclose()

        page = await services.storage.archive.page(ALICE, ANY, limit=300)
        assert read == [message.xml for message in page.messages]
        assert stream.position == page.messages[-1].id
