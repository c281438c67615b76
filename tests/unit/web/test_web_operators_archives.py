"""The operators' pages about archives: lists, calendar, days, messages, search, files, figures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.archives import (
    ROOM,
    Talk,
    correct,
    displayed,
    in_room,
    moderate,
    react,
    retract,
    to_alice,
    to_bob,
)
from support.builders import NOON, SECOND, entry
from support.http_services import HOST, note_gap, open_services
from support.operators import AUDITOR, CHIEF, PREFIX, OperatorBrowser, Page, operator_browser

from component.core.reading.browsing import DAY_MICROS
from component.web.server.settings import Services
from storage.rows import ANY, AuditEntry, Hold
from storage.sqlite.engine.database import DatabaseTimeouts

#: More messages than a read without a turn counts.
COUNTED_AT_ONCE = 12_000

OWNER, BOB = f"alice@{HOST}", f"bob@{HOST}"
ARCHIVE = f"archives/{OWNER}"
DAY = "2026-01-01"

URL = "https://files.example/cat.png"
FILE = f"<x xmlns='jabber:x:oob'><url>{URL}</url></x>"
OMEMO = "<encrypted xmlns='eu.siacs.conversations.axolotl'/>"


@pytest.fixture
def talk(services: Services) -> Talk:
    return Talk(services.writer)


@pytest.fixture
async def auditor(services: Services) -> AsyncIterator[OperatorBrowser]:
    async with operator_browser(services, AUDITOR) as browser:
        yield browser


@pytest.fixture
async def chief(services: Services) -> AsyncIterator[OperatorBrowser]:
    async with operator_browser(services, CHIEF) as browser:
        yield browser


async def ids(services: Services, owner: str = OWNER) -> list[str]:
    page = await services.storage.archive.page(owner, ANY, limit=100)
    return [message.id for message in page.messages]


async def audited(services: Services) -> list[tuple[str, str, str, str]]:
    await services.writer.wait_durable()
    entries: tuple[AuditEntry, ...] = await services.storage.audit_log.entries(limit=100)
    return [(entry.actor, entry.action, entry.subject, entry.detail) for entry in entries[::-1]]


def order_of(page: Page, *texts: str) -> bool:
    """Return whether a page has texts in this order."""
    places = [page.text.find(text) for text in texts]
    return -1 not in places and places == sorted(places)


async def test_archives_are_sorted_filtered_and_paged(
    services: Services, chief: OperatorBrowser
) -> None:
    await services.storage.archive.append(
        [
            *(entry(n, owner=f"u{n:02d}@{HOST}", at=NOON + n) for n in range(60)),
            *(entry(f"x{n}", owner=f"u07@{HOST}", at=NOON) for n in range(3)),
        ]
    )

    first = await chief.get("archives")
    by_size = await chief.get("archives", sort="size")
    by_owner = await chief.get("archives", sort="owner")
    some = await chief.get("archives", part="U07")
    [link] = [link for link in first.links if "after=" in link]
    second = await chief.get(link)

    assert order_of(first, "u59@", "u58@", "u10@")
    assert "u09@" not in first.text
    assert order_of(second, "u09@", "u00@")
    assert order_of(by_size, "u07@", "u59@")
    assert order_of(by_owner, "u00@", "u01@", "u02@")
    assert "4 " in some.text
    assert "u08@" not in some.text
    assert "60 archives" in first.text


async def test_list_of_archives_is_audited_and_only_for_admins(
    services: Services, chief: OperatorBrowser, auditor: OperatorBrowser, talk: Talk
) -> None:
    await talk.take(to_bob("hello", "m1"))
    page = await auditor.get("archives")

    assert OWNER not in page.text
    assert "Operators of the role admin see a list" in page.text
    assert await audited(services) == []
    await chief.get("archives", part="alice")
    assert (await audited(services))[-1] == ("chief", "list", "*", "archives")


@pytest.mark.parametrize(
    ("part", "words"),
    [("", "There is no archive yet"), ("<b>", "No owner of an archive has “<b>” in the JID")],
)
async def test_list_without_archives_says_why(
    chief: OperatorBrowser, part: str, words: str
) -> None:
    assert words in (await chief.get("archives", part=part)).text


async def test_reader_opens_an_archive_by_its_owner(auditor: OperatorBrowser, talk: Talk) -> None:
    await talk.take(to_bob("hello", "m1"))

    assert (await auditor.get("open", owner=f" {OWNER.upper()} ")).path == f"{PREFIX}/{ARCHIVE}"


@pytest.mark.parametrize("owner", ["", "@", f"{OWNER}/phone", "a b@c"])
async def test_owner_that_is_no_bare_jid_is_refused_beside_the_form(
    auditor: OperatorBrowser, owner: str
) -> None:
    page = await auditor.get("open", owner=owner)

    assert page.status == 400
    assert [field["value"] for field in page.elements("input") if field["name"] == "owner"] == [
        owner
    ]


async def test_overview_has_size_and_conversations(
    services: Services, auditor: OperatorBrowser, talk: Talk
) -> None:
    await talk.take(to_bob("hello", "m1"), to_alice("see you", "m2"), in_room("nick", "hi", "r1"))

    page = await auditor.get(ARCHIVE)

    assert order_of(page, "Messages 3", ROOM, BOB, "2 messages", "see you")
    assert f"{PREFIX}/{ARCHIVE}/calendar?with={BOB}" in page.links
    assert await audited(services) == [("auditor", "conversations", OWNER, "all")]


async def test_conversations_are_paged(services: Services, auditor: OperatorBrowser) -> None:
    await services.storage.archive.append(
        [entry(n, peer=f"p{n:02d}@{HOST}", at=NOON + n) for n in range(60)]
    )

    first = await auditor.get(ARCHIVE)
    [link] = [link for link in first.links if "before=" in link]
    second = await auditor.get(link)

    assert order_of(first, "p59@", "p10@")
    assert order_of(second, "p09@", "p00@")
    assert "There are no older conversations" not in second.text


async def test_unknown_owner_has_an_empty_archive(auditor: OperatorBrowser) -> None:
    for path, words in (
        ("", "This archive has no messages"),
        ("/calendar", "There are no messages"),
        (f"/days/{DAY}", "There are no messages of this day"),
        ("/search?search=x", "No message matches"),
        ("/search?search=x", "No hits"),
        ("/files", "No link to a file"),
        ("/figures", "There are no messages"),
    ):
        page = await auditor.get(f"archives/nobody@{HOST}{path}")
        assert (page.status, words in page.text) == (200, True), path


async def test_calendar_links_to_each_day_with_messages(
    services: Services, auditor: OperatorBrowser
) -> None:
    await services.storage.archive.append(
        [
            entry(1),
            entry(2),
            entry(3, at=NOON + DAY_MICROS, peer=f"carol@{HOST}"),
            entry(4, at=NOON + 40 * DAY_MICROS),
            entry(5, at=NOON - 40 * DAY_MICROS),
        ]
    )

    whole = await auditor.get(f"{ARCHIVE}/calendar")
    with_bob = await auditor.get(f"{ARCHIVE}/calendar", **{"with": BOB})
    year = await auditor.get(f"{ARCHIVE}/calendar", year="2025")

    days = [link.rpartition("/")[2] for link in whole.links if "/days/" in link]
    assert days == ["2026-01-01", "2026-01-02", "2026-02-10"]
    assert "January 2026 3 messages" in whole.text
    assert "Thursday, 1 January 2026: 1 2 messages" in whole.text
    assert [link for link in with_bob.links if "2026-01-02" in link] == []
    assert "2025-11-22" in year.html
    assert [link[-4:] for link in whole.links if "year=" in link] == ["2025", "2026"]
    assert (await audited(services))[-1] == ("auditor", "read", OWNER, "calendar 2025")


async def test_day_has_its_messages_in_their_order(
    services: Services, auditor: OperatorBrowser, talk: Talk
) -> None:
    await talk.take(
        to_bob("first draft", "m1"),
        to_alice("an answer", "m2"),
        to_bob("first", "m3", correct("m1")),
        to_alice(None, "m4", react("m1", "👍")),
        to_alice(None, "m5", displayed("m1")),
        to_bob("regretted", "m6"),
        to_bob(None, "m7", retract("m6")),
    )

    page = await auditor.get(f"{ARCHIVE}/days/{DAY}")

    assert order_of(page, "corrected", "first", "👍 1 bob@", "an answer", "was retracted")
    assert "first draft" not in page.text
    assert "regretted" not in page.text
    assert len(page.elements("article")) == 3
    assert len(await audited(services)) == 1


async def test_day_is_paged_and_leads_to_the_days_beside_it(
    services: Services, auditor: OperatorBrowser
) -> None:
    await services.storage.archive.append(
        [
            entry("yesterday", at=NOON - DAY_MICROS),
            *(entry(f"text {n:02d}", at=NOON + n) for n in range(60)),
            entry("next week", at=NOON + 7 * DAY_MICROS),
        ]
    )

    first = await auditor.get(f"{ARCHIVE}/days/{DAY}")
    [link] = [link for link in first.links if "after=" in link]
    second = await auditor.get(link)

    assert order_of(first, "text 00", "text 49")
    assert "text 50" not in first.text
    assert order_of(second, "text 50", "text 59")
    for page in (first, second):
        assert f"{PREFIX}/{ARCHIVE}/days/2025-12-31" in page.links
        assert f"{PREFIX}/{ARCHIVE}/days/2026-01-08" in page.links


async def test_day_of_one_conversation_has_no_others(auditor: OperatorBrowser, talk: Talk) -> None:
    await talk.take(to_bob("to bob", "m1"), in_room("nick", "in the room", "r1"))

    page = await auditor.get(f"{ARCHIVE}/days/{DAY}", **{"with": BOB})

    assert "to bob" in page.text
    assert "in the room" not in page.text


async def test_archive_of_a_room_names_its_occupants(
    services: Services, auditor: OperatorBrowser
) -> None:
    await services.storage.archive.append(
        [
            entry(n, owner=ROOM, peer=ROOM, resource=nick, type="groupchat")
            for n, nick in enumerate(("juliet", "romeo"))
        ]
    )

    page = await auditor.get(f"archives/{ROOM}/days/{DAY}")

    assert order_of(page, f"{ROOM}/juliet", f"{ROOM}/romeo")


async def test_message_has_its_history_and_the_messages_around_it(
    services: Services, auditor: OperatorBrowser, talk: Talk
) -> None:
    await talk.take(
        to_alice("before", "m0"),
        to_bob("first draft", "m1"),
        to_bob("second draft", "m2", correct("m1")),
        to_bob("final", "m3", correct("m1")),
        to_alice(None, "m4", react("m1", "👍", "🎉")),
        to_alice(None, "m5", displayed("m1")),
        to_alice("after", "m6"),
    )
    id = (await ids(services))[1]

    page = await auditor.get(f"{ARCHIVE}/messages/{id}")

    assert order_of(
        page,
        "sent: first draft",
        "corrected: second draft",
        "corrected: final",
        "👍 🎉",
        "displayed",
    )
    around = replace(page, html=page.html.partition("those around it")[2])
    assert order_of(around, "before", "final", "after", "Id in the archive", id)
    assert page.targets == [id]
    assert "&lt;body&gt;first draft&lt;/body&gt;" in page.html
    assert await audited(services) == [("auditor", "read", OWNER, f"ids {id}")]


async def test_correction_by_a_stranger_is_no_history(
    services: Services, auditor: OperatorBrowser, talk: Talk
) -> None:
    await talk.take(to_bob("mine", "m1"), to_alice("forged", "m2", correct("m1")))

    page = await auditor.get(f"{ARCHIVE}/messages/{(await ids(services))[0]}")

    assert "corrected" not in page.text


async def test_moderated_message_names_the_moderator(
    services: Services, auditor: OperatorBrowser, talk: Talk
) -> None:
    await talk.take(
        in_room("nick", "spam", "r1"),
        in_room("", None, "r2", moderate("room-r1", f"{ROOM}/judge", "an advert")),
    )

    page = await auditor.get(f"{ARCHIVE}/messages/{(await ids(services))[0]}")

    assert f"retracted by the moderator {ROOM}/judge : an advert" in page.text
    assert "spam" not in page.text


async def test_each_stored_stanza_has_a_page(
    services: Services, auditor: OperatorBrowser, talk: Talk
) -> None:
    await talk.take(
        to_bob("text", "m1"),
        to_alice(None, "m2", react("m1", "👍")),
        to_alice(None, "m3", displayed("m1")),
        to_bob(None, "m4", retract("m1")),
    )
    for id in await ids(services):
        page = await auditor.get(f"{ARCHIVE}/messages/{id}")
        assert (page.status, id in page.text) == (200, True)


async def test_search_marks_hits_in_their_context(
    services: Services, auditor: OperatorBrowser, talk: Talk
) -> None:
    await talk.take(
        *(to_alice(f"before {n}", f"b{n}") for n in range(4)),
        to_bob("the Secret &lt;i>plan&lt;/i>", "m1"),
        *(to_alice(f"after {n}", f"a{n}") for n in range(4)),
        in_room("nick", "in the room", "r1"),
    )

    page = await auditor.get(f"{ARCHIVE}/search", search="secret plan")

    assert page.marked == ["Secret", "plan"]
    assert order_of(page, "1 hit", "before 1", "before 3", "the Secret", "after 0", "after 2")
    for text in ("before 0", "after 3", "in the room", "encrypted"):
        assert text not in page.text
    assert await audited(services) == [("auditor", "search", OWNER, "kinds message tombstone")]


async def test_search_is_narrowed_by_who_when_and_kind(
    services: Services, auditor: OperatorBrowser
) -> None:
    await services.storage.archive.append(
        [
            entry("in january", text="word"),
            entry("in february", text="word", at=NOON + 40 * DAY_MICROS),
            entry("of carol", text="word", at=NOON + 41 * DAY_MICROS, peer=f"carol@{HOST}"),
        ]
    )

    async def found(**query: str) -> set[str]:
        page = await auditor.get(f"{ARCHIVE}/search", search="word", **query)
        assert page.status == 200
        return {texts[id] for id in page.targets}

    texts = dict(zip(await ids(services), ("in january", "in february", "of carol"), strict=True))

    assert await found() == {"in january", "in february", "of carol"}
    assert await found(**{"with": f"carol@{HOST}"}) == {"of carol"}
    assert await found(**{"from": "2026-02-10"}) == {"in february", "of carol"}
    assert await found(until="2026-01-01", kind="message") == {"in january"}
    assert await found(kind="tombstone") == set()
    months = await auditor.get(f"{ARCHIVE}/search", search="word")
    assert order_of(months, "Hits by month", "2026-02 2", "2026-01 1")
    [january] = [link for link in months.links if "from=2026-01-01&until=2026-01-31" in link]
    assert "1 hit" in (await auditor.get(january)).text


async def test_search_says_how_many_messages_are_encrypted(
    auditor: OperatorBrowser, talk: Talk
) -> None:
    await talk.take(
        to_bob("plain", "m1"),
        to_bob("fallback", "m2", OMEMO),
        to_alice("fallback", "m3", OMEMO),
    )

    page = await auditor.get(f"{ARCHIVE}/search", search="plain")

    assert "2 encrypted messages are among these 3 messages" in page.text
    assert "encrypted" in (await auditor.get(f"{ARCHIVE}/days/{DAY}")).text


async def test_search_is_paged_from_the_newest_hit(
    services: Services, auditor: OperatorBrowser
) -> None:
    await services.storage.archive.append(
        [entry(f"hit {n:02d}", text="word", at=NOON + n, peer=f"p{n}@x") for n in range(25)]
    )

    first = await auditor.get(f"{ARCHIVE}/search", search="word")
    [link] = [link for link in first.links if "before=" in link]
    second = await auditor.get(link)

    assert order_of(first, "25 hits", "hit 24", "hit 05")
    assert "hit 04" not in first.text
    assert order_of(second, "hit 04", "hit 00")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"search": "a*"}, "search: a star has to stand behind 3 characters"),
        ({"search": "!"}, "search: the search has no word in it"),
        ({"with": "@"}, "with: "),
        ({"from": "tomorrow"}, "from: expected a day like 2026-01-31"),
        ({"kind": "secret"}, "kind: "),
        ({"nonsense": "1"}, "nonsense"),
        ({"before": "nothing"}, "no message of this archive has the id nothing"),
    ],
)
async def test_wrong_search_is_refused_beside_the_form(
    auditor: OperatorBrowser, query: dict[str, str], words: str
) -> None:
    page = await auditor.get(f"{ARCHIVE}/search", **query)

    assert page.status in (400, 404)
    assert words in page.text
    fields = {str(field["name"]): field.get("value") for field in page.elements("input")}
    assert fields["search"] == query.get("search", "")


async def test_search_form_alone_reads_nothing(
    services: Services, auditor: OperatorBrowser
) -> None:
    await auditor.get(f"{ARCHIVE}/search")

    assert await audited(services) == []


async def test_words_of_a_search_are_in_no_audit_entry(
    services: Services, auditor: OperatorBrowser
) -> None:
    await auditor.get(f"{ARCHIVE}/search", search="whistleblower")

    assert "whistleblower" not in str(await audited(services))


async def test_files_are_listed_without_loading_them(
    services: Services, auditor: OperatorBrowser, talk: Talk
) -> None:
    script = "<x xmlns='jabber:x:oob'><url>javascript:alert(1)</url></x>"
    local = "<x xmlns='jabber:x:oob'><url>/operators/sign-out</url></x>"
    await talk.take(
        to_bob(URL, "m1", FILE), to_alice("x", "m2", script), to_alice("y", "m3", local)
    )

    page = await auditor.get(f"{ARCHIVE}/files")

    assert order_of(page, "/operators/sign-out", "javascript:alert(1)", URL)
    [link] = [link for link in page.elements("a") if link["href"] == URL]
    assert {"noopener", "noreferrer"} <= set(str(link["rel"]).split())
    assert "javascript:alert(1)" not in page.links
    assert "/operators/sign-out" not in page.links
    assert page.elements("img") == page.elements("video") == page.elements("iframe") == []
    assert (await audited(services))[-1] == ("auditor", "read", OWNER, "files, kinds message")


async def test_files_of_retracted_messages_are_not_listed(
    auditor: OperatorBrowser, talk: Talk
) -> None:
    await talk.take(to_bob(URL, "m1", FILE), to_bob(None, "m2", retract("m1")))

    assert URL not in (await auditor.get(f"{ARCHIVE}/files")).html


async def test_files_are_paged(services: Services, auditor: OperatorBrowser) -> None:
    await services.storage.archive.append(
        [
            entry(
                n,
                at=NOON + n,
                xml="<message xmlns='jabber:client'><x xmlns='jabber:x:oob'>"
                f"<url>https://x.example/{n:02d}</url></x></message>",
            )
            for n in range(60)
        ]
    )

    first = await auditor.get(f"{ARCHIVE}/files")
    [link] = [link for link in first.links if "before=" in link]
    second = await auditor.get(link)

    assert order_of(first, "example/59", "example/10")
    assert order_of(second, "example/09", "example/00")
    assert [link for link in second.links if "before=" in link] == []


async def test_figures_are_a_plot_and_a_table(
    services: Services, auditor: OperatorBrowser
) -> None:
    await services.storage.archive.append(
        [entry(1), entry(2, at=NOON + 60 * DAY_MICROS), entry(3, at=NOON + 61 * DAY_MICROS)]
    )

    by_month = await auditor.get(f"{ARCHIVE}/figures")
    by_day = await auditor.get(f"{ARCHIVE}/figures", year="2026")

    assert len(by_month.elements("rect")) == 3
    assert order_of(by_month, "2026-01 1", "2026-02 0", "2026-03 2")
    assert len(by_day.elements("rect")) == 62
    assert "2026-01-02 0" in by_day.text
    [svg] = by_month.elements("svg")
    assert svg["role"] == "img"


async def test_too_many_messages_to_count_in_time_are_said(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'archive.db'}"
    async with (
        open_services(url, timeouts=DatabaseTimeouts(long_read=0.0)) as services,
        operator_browser(services, AUDITOR) as auditor,
    ):
        await services.storage.archive.append(
            [entry(n, at=NOON + n) for n in range(COUNTED_AT_ONCE)]
        )

        calendar = await auditor.get(f"{ARCHIVE}/calendar")
        figures = await auditor.get(f"{ARCHIVE}/figures")

    assert "This year has too many messages to count" in calendar.text
    assert f"{PREFIX}/{ARCHIVE}/days/2026-01-01" in calendar.links
    assert "There are too many messages to count them in time" in figures.text
    assert f"{PREFIX}/{ARCHIVE}/figures?year=2026" in figures.links


HOSTILE = (
    "<script>alert(1)</script>",
    "</p></article><img src=x onerror=alert(1)>",
    "\"' onmouseover=alert(1) x='",
    "{{ 7 * 7 }} {% raw %}",
    "\u202egnp.exe\u202c \u2066 \u200f",
    "javascript:alert(1)",
    "x" * 60_000,
    "line\nline\r\n\ttab",
)


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_stays_text_on_every_page(
    services: Services, chief: OperatorBrowser, text: str
) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    quoted = escaped.replace('"', "&quot;").replace("'", "&apos;")
    file = f"<x xmlns='jabber:x:oob'><url>{quoted}</url><desc>{escaped}</desc></x>"
    nick = text[:100].replace("\n", "").replace("\r", "").replace("\t", "")
    await services.storage.archive.append(
        [
            entry(
                1,
                resource=nick,
                text="word",
                type="groupchat",
                xml="<message xmlns='jabber:client' type='groupchat'>"
                f"<subject>{escaped}</subject><body>{escaped} word</body>{file}</message>",
            )
        ]
    )
    hold = Hold(subject=HOST, reason=text[:1000], by="chief", at=NOON)
    await services.administration.holds.set(hold)
    [id] = await ids(services)
    for path in (
        ARCHIVE,
        f"{ARCHIVE}/days/{DAY}",
        f"{ARCHIVE}/messages/{id}",
        f"{ARCHIVE}/search?search=word",
        f"{ARCHIVE}/files",
        "holds",
    ):
        page = await chief.get(path)
        assert page.status == 200, path
        assert len(page.elements("script")) == 1, path
        assert page.elements("img") == [], path
        for name, attributes in (
            (tag, a) for tag in ("p", "a", "bdi") for a in page.elements(tag)
        ):
            assert not any(key.startswith("on") for key in attributes), (path, name)
        start = " ".join(text.split())[:100].strip()
        assert start in page.text, path


async def test_gap_is_shown_between_two_messages(
    services: Services, auditor: OperatorBrowser
) -> None:
    times = [NOON, NOON + 20 * SECOND, NOON + DAY_MICROS]
    await services.storage.archive.append(
        [entry(f"text {number}", owner=OWNER, at=at) for number, at in enumerate(times)]
    )
    for begin in (-9, 5, 25):
        await note_gap(services, NOON + begin * SECOND, NOON + (begin + 5) * SECOND)
    line = "Messages from 2026-01-01 {} UTC to 2026-01-01 {} UTC may be missing"
    first, second = line.format("12:00:05", "12:00:10"), line.format("12:00:25", "12:00:30")
    shown = await ids(services)

    day = await auditor.get(f"{ARCHIVE}/days/{DAY}")
    rest = await auditor.get(f"{ARCHIVE}/days/{DAY}", after=shown[0])
    next_day = await auditor.get(f"{ARCHIVE}/days/2026-01-02")
    message = await auditor.get(f"{ARCHIVE}/messages/{shown[1]}")

    assert order_of(day, "text 0", first, "text 1")
    assert day.text.count("may be missing") == 1
    assert order_of(rest, first, "text 1")
    assert order_of(next_day, second, "text 2")
    assert order_of(message, "text 0", first, second, "text 2")
