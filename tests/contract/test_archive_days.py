"""The contract of the days of an archive, and of searches through XML, on every backend."""

from __future__ import annotations

import pytest
from support.builders import ALICE, BOB, NOON, ROMEO, SECOND, entries, entry, everything

from storage.errors import NotFound
from storage.interface import Archive
from storage.rows import XML_EXAMINED_MAX, DayCount, ExaminedPage, Filter, Kind, Phrase

DAY = 24 * 3600 * SECOND
FIRST = NOON // DAY


def with_url(name: object) -> str:
    return f"<message><body>{name}</body><x xmlns='jabber:x:oob'><url>u</url></x></message>"


async def test_days_count_the_messages_of_each_day_that_has_any(archive: Archive) -> None:
    midnight = FIRST * DAY + DAY
    await archive.append(
        [
            entry(1, at=NOON),
            entry(2, at=midnight - 1),
            entry(3, at=midnight),
            entry(4, at=NOON + 40 * DAY),
        ]
    )

    assert await archive.days(ALICE, Filter()) == (
        DayCount(FIRST, 2),
        DayCount(FIRST + 1, 1),
        DayCount(FIRST + 40, 1),
    )


async def test_archive_without_messages_has_no_days(archive: Archive) -> None:
    await archive.append(entries(1))

    assert await archive.days("nobody@example.org", Filter()) == ()
    assert await archive.days(ALICE, Filter(peer=ROMEO)) == ()


@pytest.mark.parametrize(
    ("filter", "messages"),
    [
        (Filter(peer=BOB), 3),
        (Filter(peer=ROMEO), 1),
        (Filter(kinds=frozenset({Kind.MESSAGE})), 3),
        (Filter(peer=BOB, kinds=frozenset({Kind.MESSAGE})), 2),
        (Filter(since=NOON + 2 * SECOND), 2),
        (Filter(until=NOON), 1),
        (Filter(phrases=(Phrase(words=("plan",)),)), 1),
    ],
)
async def test_days_count_only_the_messages_of_a_filter(
    archive: Archive, filter: Filter, messages: int
) -> None:
    await archive.append(
        [
            entry(1, text="plan a"),
            entry(2, at=NOON + SECOND, kind=Kind.RECEIPT),
            entry(3, at=NOON + 2 * SECOND, text="other"),
            entry(4, at=NOON + 3 * SECOND, peer=ROMEO),
        ]
    )

    assert await archive.days(ALICE, filter) == (DayCount(FIRST, messages),)


async def test_days_count_late_messages_of_their_own_day(archive: Archive) -> None:
    await archive.append([entry(1), entry(2, at=NOON + 2 * DAY), entry(3, at=NOON + DAY)])

    in_january = Filter(since=NOON - DAY, until=NOON + DAY)
    assert await archive.days(ALICE, in_january) == (DayCount(FIRST, 1), DayCount(FIRST + 1, 1))


async def test_search_of_xml_returns_the_newest_messages_with_a_text(archive: Archive) -> None:
    await archive.append(
        [
            entry(n, at=NOON + n, xml=with_url(n)) if n % 2 else entry(n, at=NOON + n)
            for n in range(9)
        ]
    )

    page = await archive.search_xml(ALICE, Filter(), ("nothing", "jabber:x:oob"), limit=3)

    assert [message.at - NOON for message in page.messages] == [3, 5, 7]
    assert (page.count, page.examined, page.next) == (4, 9, page.messages[0].id)
    rest = await archive.search_xml(ALICE, Filter(), ("jabber:x:oob",), limit=3, before=page.next)
    assert [message.at - NOON for message in rest.messages] == [1]
    assert (rest.count, rest.examined, rest.next) == (1, 3, None)


async def test_search_of_xml_keeps_to_its_filter(archive: Archive) -> None:
    await archive.append(
        [
            entry(1, xml=with_url(1)),
            entry(2, xml=with_url(2), peer=ROMEO),
            entry(3, xml=with_url(3), kind=Kind.RECEIPT),
        ]
    )

    page = await archive.search_xml(
        ALICE, Filter(peer=BOB, kinds=frozenset({Kind.MESSAGE})), ("jabber:x:oob",), limit=5
    )

    assert [message.xml for message in page.messages] == [with_url(1)]


async def test_search_of_xml_takes_texts_literally(archive: Archive) -> None:
    await archive.append([entry(1, xml="<message>100%</message>"), entry(2)])

    for text, count in (("%", 1), ("_", 0), ("MESSAGE", 0), ("é", 0)):
        assert (await archive.search_xml(ALICE, Filter(), (text,), limit=5)).count == count


async def test_search_of_xml_examines_a_bounded_number_of_messages(archive: Archive) -> None:
    rows = entries(XML_EXAMINED_MAX + 2)
    await archive.append([rows[0]._replace(xml=with_url(0)), *rows[1:]])

    newest = await archive.search_xml(ALICE, Filter(), ("jabber:x:oob",), limit=5)
    oldest = await archive.search_xml(
        ALICE, Filter(), ("jabber:x:oob",), limit=5, before=newest.next
    )

    assert (newest.count, newest.examined, newest.messages) == (0, XML_EXAMINED_MAX, ())
    assert (oldest.count, oldest.examined, oldest.next) == (1, 2, None)


async def test_search_of_xml_without_a_limit_only_counts(archive: Archive) -> None:
    await archive.append([entry(n, xml=with_url(n)) for n in range(3)])

    page = await archive.search_xml(ALICE, Filter(), ("jabber:x:oob",), limit=0)

    assert page == ExaminedPage(count=3, examined=3)


async def test_search_of_xml_stops_at_its_bytes(archive: Archive) -> None:
    await archive.append([entry(n, xml=with_url("x" * 1000)) for n in range(4)])

    page = await archive.search_xml(ALICE, Filter(), ("oob",), limit=4, max_bytes=2500)

    messages = (await everything(archive)).messages
    assert page.messages == messages[2:]
    assert page.next == messages[2].id


async def test_search_of_xml_before_an_unknown_message_is_refused(archive: Archive) -> None:
    await archive.append(entries(1))

    with pytest.raises(NotFound):
        await archive.search_xml(ALICE, Filter(), ("x",), limit=1, before="nothing")
