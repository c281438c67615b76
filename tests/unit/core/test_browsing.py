"""What the operators' pages read of archives, and how it is audited."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.archives import ROOM, Talk, correct, in_room, to_alice, to_bob
from support.builders import NOON, SECOND, entry
from support.http_services import HOST, SETTINGS, open_services
from support.operators import AUDITOR, CHIEF

from component.core.access.principals import SERVER, Principal, User
from component.core.errors import Forbidden, ItemNotFound
from component.core.reading import browsing
from component.core.reading.browsing import DAY_MICROS, ArchiveBrowser
from component.core.reading.conversations import ConversationQuery
from component.core.reading.pages import PageQuery
from component.web.server.settings import Services, pager_of
from storage.rows import Filter, Phrase

OWNER = f"alice@{HOST}"
FIRST = NOON // DAY_MICROS
PLAN = PageQuery(filter=Filter(phrases=(Phrase(words=("plan",)),)), backwards=True)


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    async with open_services() as opened:
        yield opened


@pytest.fixture
def browser(services: Services) -> ArchiveBrowser:
    return ArchiveBrowser(
        services.authorizer, services.storage, services.queue, pager_of(SETTINGS, services)
    )


async def read_all(browser: ArchiveBrowser, principal: Principal, id: str) -> None:
    """Call each method once."""
    await browser.overview(principal, OWNER, ConversationQuery())
    await browser.calendar(principal, OWNER, None, None)
    await browser.day(principal, OWNER, None, FIRST, None)
    await browser.annotated(principal, OWNER, id)
    await browser.search(principal, OWNER, PLAN)
    await browser.files(principal, OWNER, Filter(), None)
    await browser.activity(principal, OWNER, None, None)


@pytest.mark.parametrize("principal", [AUDITOR, CHIEF, SERVER])
async def test_each_page_is_one_audited_read(
    services: Services, browser: ArchiveBrowser, principal: Principal
) -> None:
    await Talk(services.writer).take(to_bob("the plan", "m1"), to_alice("an answer", "m2"))
    page = await services.storage.archive.page(OWNER, Filter(), limit=1)

    await read_all(browser, principal, page.messages[0].id)

    entries = await services.storage.audit_log.entries(limit=100)
    assert [(entry.actor, entry.action) for entry in entries[::-1]] == [
        (principal.name, action)
        for action in ("conversations", "read", "read", "read", "search", "read", "read")
    ]


@pytest.mark.parametrize("user", [f"bob@{HOST}", "bob@elsewhere.example"])
async def test_user_reads_no_page_of_another_user(
    services: Services, browser: ArchiveBrowser, user: str
) -> None:
    with pytest.raises(Forbidden):
        await browser.day(User(user), OWNER, None, FIRST, None)


async def test_message_is_around_others_of_its_conversation_only(
    services: Services, browser: ArchiveBrowser
) -> None:
    await Talk(services.writer).take(
        *(to_alice(f"before {n}", f"b{n}") for n in range(12)),
        in_room("nick", "in the room", "r1"),
        to_bob("this", "m1"),
        to_alice("after", "a1"),
        to_bob("corrected", "m2", correct("m1")),
    )
    rows = (await services.storage.archive.page(OWNER, Filter(), limit=100)).messages

    page = await browser.annotated(AUDITOR, OWNER, rows[13].id)

    before = [item.message.content.body for item in page.before]
    assert before == [f"before {n}" for n in range(2, 12)]
    assert [item.message.content.body for item in page.after] == ["after"]
    assert page.message.folded is not None
    assert page.message.folded.body == "corrected"
    assert [annotation.content.body for annotation in page.annotations] == ["corrected"]


async def test_unknown_message_is_not_found(browser: ArchiveBrowser) -> None:
    with pytest.raises(ItemNotFound):
        await browser.annotated(AUDITOR, OWNER, "nothing")


async def test_room_archive_has_its_messages_around_each_other(
    services: Services, browser: ArchiveBrowser
) -> None:
    await services.storage.archive.append(
        [
            entry(n, owner=ROOM, peer=ROOM, resource=f"nick{n}", type="groupchat", text="plan")
            for n in range(3)
        ]
    )

    page = await browser.search(AUDITOR, ROOM, PLAN)

    sizes = [(len(hit.before), len(hit.after)) for hit in page.hits]
    assert sizes == [(2, 0), (1, 1), (0, 2)]


async def test_many_matches_are_not_counted_by_day(
    services: Services, browser: ArchiveBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await services.storage.archive.append([entry(n, text="plan") for n in range(3)])

    assert (await browser.search(AUDITOR, OWNER, PLAN)).days is not None
    monkeypatch.setattr(browsing, "COUNTED_BY_DAY_MAX", 2)
    page = await browser.search(AUDITOR, OWNER, PLAN)

    assert (page.days, page.count, len(page.hits)) == (None, 3, 3)


async def test_days_beside_a_day_are_the_nearest_ones_in_time(
    services: Services, browser: ArchiveBrowser
) -> None:
    days = (0, 3, 5, 9, 1, 8)
    await services.storage.archive.append([entry(day, at=NOON + day * DAY_MICROS) for day in days])

    page = await browser.day(AUDITOR, OWNER, None, FIRST + 5, None)

    assert (page.previous, page.next) == (NOON + 3 * DAY_MICROS, NOON + 8 * DAY_MICROS)


async def test_calendar_without_a_year_has_that_of_the_latest_message(
    services: Services, browser: ArchiveBrowser
) -> None:
    empty = await browser.calendar(AUDITOR, OWNER, None, None)
    await services.storage.archive.append(
        [entry(1, at=NOON), entry(2, at=NOON - 400 * DAY_MICROS), entry(3, at=NOON + SECOND)]
    )

    page = await browser.calendar(AUDITOR, OWNER, None, None)

    assert (empty.days, empty.first, empty.last) == ((), None, None)
    assert page.days is not None
    assert (page.year, [day.messages for day in page.days]) == (2026, [2])
    assert (page.first, page.last) == (NOON - 400 * DAY_MICROS, NOON + SECOND)
