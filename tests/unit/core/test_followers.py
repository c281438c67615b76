"""Who follows an archive is woken by what comes into it, once that can be read."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientSession
from support.builders import ALICE, BOB, entry, shed
from support.operated import named
from support.sidecar import SETTINGS, SHOWN, open_services

from component.core.access.principals import SERVER
from component.core.archiving.writer import Writer
from component.core.reading.follow import FROM_START, ArchiveStreams, Followers
from component.web.server.listener import serve
from storage.open import open_storage
from storage.rows import ANY

PAUSE = 60.0


async def test_followers_are_told_when_it_can_be_read() -> None:
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


async def test_a_batch_wakes_the_followers_of_all_its_archives() -> None:
    async with open_services() as services:
        with services.followers.follow(ALICE) as hers, services.followers.follow(BOB) as his:
            await services.writer.store([entry(1, owner=ALICE), entry(1, owner=BOB)])
            await asyncio.gather(hers.changed.wait(), his.changed.wait())


@pytest.mark.parametrize("count", [0, 3])
async def test_a_follower_is_shown_nothing_of_the_next_owner_of_a_name(count: int) -> None:
    async with open_services() as services:
        streams = ArchiveStreams(services.storage.archive, services.queue, services.followers)
        await services.writer.store([entry(n) for n in range(count)])
        messages = (await streams.open(ALICE, ANY, FROM_START)).messages(pause=0.01)
        assert len(await anext(messages)) == count

        await services.administration.erasure.erase(ALICE, wait_seconds=10.0)
        await services.writer.store([entry("of somebody else")])

        assert [found async for found in messages if found] == []


async def test_a_follower_ends_where_an_erasure_was_not_told() -> None:
    async with open_services() as services:
        streams = ArchiveStreams(services.storage.archive, services.queue, services.followers)
        await services.writer.store([entry(1)])
        messages = (await streams.open(ALICE, ANY, FROM_START)).messages(pause=0.01)
        assert len(await anext(messages)) == 1

        await services.storage.retention.erase(ALICE, limit=100)
        await services.writer.store([entry("of somebody else")])

        assert [found async for found in messages if found] == []


async def test_who_comes_while_an_archive_is_erased_follows_nothing() -> None:
    live = Followers()
    with live.erasing(ALICE), live.follow(ALICE) as hers, live.follow(BOB) as his:
        assert (hers.is_over, his.is_over) == (True, False)
    with live.follow(ALICE) as hers:
        assert not hers.is_over


@pytest.mark.parametrize("is_over_http", [True, False])
async def test_a_follower_ends_where_an_account_is_made(is_over_http: bool) -> None:
    async with open_services() as services:
        with services.followers.follow(ALICE) as hers, services.followers.follow(BOB) as his:
            if is_over_http:
                async with serve(SETTINGS, services) as url, ClientSession(url) as http:
                    path = f"/api/v1/accounts/{ALICE}"
                    async with http.put(path, json={"password": "p"}, headers=SHOWN) as answer:
                        assert answer.status == 201
            else:
                given = {"accountjid": [ALICE], "password": ["p"]}
                await services.commands.run(SERVER, named("add-user"), given)

            assert (hers.is_over, his.is_over) == (True, False)


async def test_many_that_are_purged_at_once_bring_nothing_twice() -> None:
    async with open_services() as services:
        streams = ArchiveStreams(services.storage.archive, services.queue, services.followers)
        await services.writer.store([entry("before")])
        messages = (await streams.open(ALICE, ANY, None)).messages(pause=PAUSE)
        await services.writer.store([entry(n) for n in range(100)])
        assert len(await anext(messages)) == 100

        await shed(services.storage, 0)
        await services.writer.store([entry("behind")])

        assert [message.xml for message in await anext(messages)] == [entry("behind").xml]
        await messages.aclose()


async def test_a_long_way_is_read_in_order() -> None:
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
