"""The folded view: messages with corrections, reactions, receipts and retractions applied."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from types import FrameType

import pytest
from support.archives import (
    ALICE,
    NS_SID,
    ROOM,
    Talk,
    correct,
    displayed,
    in_room,
    moderate,
    react,
    received,
    retract,
    to_alice,
    to_bob,
)
from support.builders import message
from support.http_services import HOST, open_services

from component.core.access.principals import SERVER
from component.core.reading.folding import Folded
from component.core.reading.pages import PageQuery, Pager
from component.core.reading.reader import ArchiveReader
from component.core.reading.views import ABOUT_MESSAGE_MAX, FOLDED_KINDS
from component.core.xml.stanza import NS_MUC_USER
from storage.rows import Filter

OWNER = f"alice@{HOST}"
BOB = f"bob@{HOST}"


class Archive:
    """The archive of Alice, read in the folded view."""

    def __init__(self, talk: Talk, reader: ArchiveReader) -> None:
        self.take = talk.take
        self._reader = reader

    async def folded(self) -> list[Folded]:
        """Return the folded messages."""
        query = PageQuery(filter=Filter(kinds=FOLDED_KINDS), limit=100)
        page = await self._reader.readable_page(SERVER, OWNER, query, folded=True)
        return [item.folded for item in page.items if item.folded]

    async def only(self) -> Folded:
        """Return the only folded message."""
        [folded] = await self.folded()
        return folded

    async def texts(self) -> list[str | None]:
        """Return the folded bodies."""
        return [folded.body for folded in await self.folded()]


@pytest.fixture
async def archive() -> AsyncIterator[Archive]:
    async with open_services() as services:
        storage = services.storage
        pages = Pager(storage.archive, services.writer, default_size=50, max_size=100)
        reader = ArchiveReader(
            services.authorizer, storage, services.writer, pages, services.followers
        )
        yield Archive(Talk(services.writer), reader)


async def test_correction_replaces_the_body(archive: Archive) -> None:
    await archive.take(to_bob("helo", "m1"), to_bob("hello", "m2", correct("m1")))

    folded = await archive.only()

    assert folded.body == "hello"
    assert folded.edited is not None
    assert folded.edited.time == "2026-01-01T12:00:01.000000Z"


async def test_last_correction_replaces_the_body(archive: Archive) -> None:
    await archive.take(
        to_bob("one", "m1"),
        to_bob("two", "m2", correct("m1")),
        to_bob("three", "m3", correct("m1")),
    )

    folded = await archive.only()

    assert folded.body == "three"
    assert folded.edited is not None
    assert folded.edited.time.startswith("2026-01-01T12:00:02")


async def test_correction_of_a_correction_corrects_the_message(archive: Archive) -> None:
    await archive.take(
        to_bob("one", "m1"),
        to_bob("two", "m2", correct("m1")),
        to_bob("three", "m3", correct("m2")),
        to_bob("four", "m4", correct("m3")),
    )

    assert await archive.texts() == ["four"]


async def test_last_correction_counts_if_it_corrects_a_correction(archive: Archive) -> None:
    await archive.take(
        to_bob("one", "m1"),
        to_bob("two", "m2", correct("m1")),
        to_bob("three", "m3", correct("m2")),
        to_bob("four", "m4", correct("m1")),
    )

    assert await archive.texts() == ["four"]


async def test_correction_of_a_message_of_another_is_ignored(archive: Archive) -> None:
    await archive.take(to_bob("mine", "m1"), to_alice("forged", "m2", correct("m1")))

    folded = await archive.only()

    assert (folded.body, folded.edited) == ("mine", None)


async def test_correction_by_a_message_with_the_same_id_is_ignored(archive: Archive) -> None:
    await archive.take(
        to_bob("mine", "same"), to_alice("his", "same"), to_alice("forged", "m2", correct("same"))
    )

    assert await archive.texts() == ["mine", "forged"]


async def test_correction_from_another_conversation_is_ignored(archive: Archive) -> None:
    elsewhere = message("new", sender=ALICE, to=f"carol@{HOST}", id="m2", extra=correct("m1"))
    await archive.take(to_bob("old", "m1"), elsewhere)

    assert await archive.texts() == ["old"]


async def test_correction_before_its_message_is_ignored(archive: Archive) -> None:
    await archive.take(
        to_bob("old", "1"), to_bob("old, corrected", "2", correct("1")), to_bob("new", "1")
    )

    assert await archive.texts() == ["old, corrected", "new"]


async def test_reused_id_names_its_last_message(
    archive: Archive,
) -> None:
    await archive.take(
        to_bob("meet at five", "1"),
        to_bob("buy milk", "1"),
        to_bob("buy bread", "2", correct("1")),
        to_alice(None, "3", react("1", "👍")),
    )

    folded = await archive.folded()

    assert [message.body for message in folded] == ["meet at five", "buy bread"]
    assert [message.reactions for message in folded] == [{}, {"👍": (BOB,)}]


async def test_id_in_a_correction_names_a_message_of_its_author(archive: Archive) -> None:
    await archive.take(
        to_bob("mine", "1"), to_alice("his", "1"), to_bob("corrected", "2", correct("1"))
    )

    assert await archive.texts() == ["corrected", "his"]


async def test_receipt_names_a_message_of_the_other_side(archive: Archive) -> None:
    await archive.take(
        to_bob("mine", "1"), to_alice("his", "1"), to_alice(None, "2", received("1"))
    )

    assert [len(message.receipts) for message in await archive.folded()] == [1, 0]


async def test_only_the_last_message_of_an_id_is_retracted(archive: Archive) -> None:
    await archive.take(
        to_bob("meet at five", "1"),
        to_bob("buy milk", "1"),
        to_bob("buy bread", "2", correct("1")),
        to_bob(None, "3", retract("1")),
        to_bob(None, "4", retract("1")),
    )

    assert await archive.texts() == ["meet at five", None]


async def test_retraction_of_a_correction_retracts_the_message(archive: Archive) -> None:
    await archive.take(
        to_bob("one", "A"), to_bob("two", "B", correct("A")), to_bob(None, "C", retract("B"))
    )

    folded = await archive.only()

    assert (folded.body, folded.retracted is not None) == (None, True)


async def test_reactions_over_the_bound_are_counted_and_hide_no_correction(
    archive: Archive,
) -> None:
    await archive.take(
        to_bob("one", "m1"),
        to_bob("two", "m2", correct("m1")),
        *(to_alice(None, f"r{n}", react("m1", str(n))) for n in range(ABOUT_MESSAGE_MAX + 20)),
    )

    folded = await archive.only()

    assert (folded.body, folded.left_out) == ("two", 20)
    assert folded.reactions == {str(ABOUT_MESSAGE_MAX + 19): (BOB,)}


class Turns:
    """Counts function calls between two turns of the event loop; `longest` is the maximum."""

    def __init__(self) -> None:
        self._calls = self.longest = 0

    def _called(self, _: FrameType, event: str, __: object) -> None:
        self._calls += event == "call"

    async def _count_turns(self) -> None:
        while True:
            self._calls = 0
            await asyncio.sleep(0)
            self.longest = max(self.longest, self._calls)

    async def __aenter__(self) -> Turns:
        self._counting = asyncio.create_task(self._count_turns())
        await asyncio.sleep(0)
        sys.setprofile(self._called)
        return self

    async def __aexit__(self, *_: object) -> None:
        sys.setprofile(None)
        self._counting.cancel()


async def test_folding_of_many_reactions_lets_other_tasks_run(archive: Archive) -> None:
    async def longest(reactions: range) -> int:
        await archive.take(*(to_alice(None, f"r{n}", react("m1", str(n))) for n in reactions))
        async with Turns() as turns:
            await archive.only()
        return turns.longest

    await archive.take(to_bob("one", "m1"))

    calls_of_100 = await longest(range(100))
    calls_of_500 = await longest(range(100, 500))

    assert calls_of_500 < 2 * calls_of_100


async def test_correction_by_another_resource_of_the_author_applies(archive: Archive) -> None:
    laptop = message("new", sender=f"{OWNER}/laptop", to=BOB, id="m2", extra=correct("m1"))
    await archive.take(to_bob("old", "m1"), laptop)

    assert await archive.texts() == ["new"]


async def test_correction_by_another_occupant_is_ignored(archive: Archive) -> None:
    await archive.take(
        in_room("carol", "mine", "m1", occupant="c"),
        in_room("mallory", "forged", "m2", correct("m1"), occupant="m"),
        in_room("carol", "mine, forged", "m3", correct("m1"), occupant="m"),
        in_room("caroline", "mine, corrected", "m4", correct("m1"), occupant="c"),
        in_room("carol", "forged again", "m5", correct("m1")),
    )

    assert await archive.texts() == ["mine, corrected"]


async def test_message_from_before_occupant_ids_is_corrected_under_the_same_nickname(
    archive: Archive,
) -> None:
    """After an upgrade of the server the room gives ids."""
    await archive.take(
        in_room("carol", "mine", "m1"),
        in_room("mallory", "forged", "m2", correct("m1"), occupant="m"),
        in_room("carol", "mine, corrected", "m3", correct("m1"), occupant="c"),
    )

    assert await archive.texts() == ["mine, corrected"]


async def test_message_of_the_taker_of_a_nickname_hides_none_of_the_person_before(
    archive: Archive,
) -> None:
    """Mallory takes the nickname of carol, and the id of her message."""
    await archive.take(
        in_room("carol", "mine", "m1", occupant="c"),
        in_room("carol", "forged", "m1", occupant="m"),
        in_room("carol", "mine, corrected", "m3", correct("m1"), occupant="c"),
    )

    assert await archive.texts() == ["mine, corrected", "forged"]


async def test_reactions_from_before_occupant_ids_are_replaced_under_the_same_nickname(
    archive: Archive,
) -> None:
    await archive.take(
        in_room("carol", "hi", "m1"),
        in_room("dave", None, "m2", react("room-m1", "👍")),
        in_room("eve", None, "m3", react("room-m1", "👍")),
        in_room("dave", None, "m4", react("room-m1", "🎉"), occupant="d"),
        in_room("davy", None, "m5", react("room-m1", "🙂"), occupant="d"),
    )

    [folded] = await archive.folded()
    assert folded.reactions == {"👍": (f"{ROOM}/eve",), "🙂": (f"{ROOM}/davy",)}


async def test_nickname_identifies_the_author_without_occupant_ids(archive: Archive) -> None:
    await archive.take(
        in_room("carol", "mine", "m1"),
        in_room("mallory", "forged", "m2", correct("m1")),
        in_room("carol", "corrected", "m3", correct("m1")),
    )

    assert await archive.texts() == ["corrected"]


async def test_private_message_is_corrected_by_its_occupant_only(archive: Archive) -> None:
    def private(nick: str, body: str, id: str, extra: str = "") -> str:
        mark = f"<x xmlns='{NS_MUC_USER}'/>"
        return message(body, sender=f"{ROOM}/{nick}", to=ALICE, id=id, extra=extra + mark)

    await archive.take(
        private("carol", "mine", "m1"),
        private("mallory", "forged", "m2", correct("m1")),
    )

    assert await archive.texts() == ["mine"]


async def test_retracted_message_has_no_content(archive: Archive) -> None:
    await archive.take(
        to_bob("oops", "m1"),
        to_alice(None, "m2", react("m1", "👍")),
        to_bob("This was retracted", "m3", retract("m1")),
    )

    folded = await archive.only()

    assert folded.retracted is not None
    assert (folded.retracted.time, folded.retracted.by) == ("2026-01-01T12:00:02.000000Z", None)
    assert (folded.body, folded.reactions) == (None, {})


async def test_retraction_of_a_message_of_another_is_ignored(archive: Archive) -> None:
    await archive.take(to_bob("mine", "m1"), to_alice(None, "m2", retract("m1")))

    folded = await archive.only()

    assert (folded.body, folded.retracted) == ("mine", None)


async def test_moderation_by_the_room_retracts_a_message(archive: Archive) -> None:
    await archive.take(
        in_room("carol", "spam", "m1"),
        in_room("", None, "m2", moderate("room-m1", f"{ROOM}/owner", "no spam")),
    )

    folded = await archive.only()

    assert folded.retracted is not None
    assert (folded.retracted.by, folded.retracted.reason) == (f"{ROOM}/owner", "no spam")
    assert folded.body is None


async def test_moderation_by_an_occupant_is_ignored(archive: Archive) -> None:
    await archive.take(
        in_room("carol", "mine", "m1"),
        in_room("mallory", None, "m2", moderate("room-m1", f"{ROOM}/owner", "why not")),
    )

    assert await archive.texts() == ["mine"]


async def test_reactions_are_grouped_by_emoji(archive: Archive) -> None:
    await archive.take(
        to_alice("hi", "m1"),
        to_bob(None, "m2", react("m1", "👍", "🎉", "👍")),
        to_alice(None, "m3", react("m1", "👍")),
    )

    folded = await archive.only()

    assert folded.reactions == {"👍": (OWNER, BOB), "🎉": (OWNER,)}


async def test_reactions_replace_earlier_ones_of_the_author(
    archive: Archive,
) -> None:
    await archive.take(
        to_alice("hi", "m1"),
        to_bob(None, "m2", react("m1", "👍")),
        to_bob(None, "m3", react("m1", "🎉")),
    )

    assert (await archive.only()).reactions == {"🎉": (OWNER,)}


async def test_empty_reactions_remove_earlier_ones(archive: Archive) -> None:
    await archive.take(
        to_alice("hi", "m1"),
        to_bob(None, "m2", react("m1", "👍")),
        to_bob(None, "m3", react("m1")),
    )

    assert (await archive.only()).reactions == {}


async def test_reactions_in_a_room_are_listed_by_occupant(archive: Archive) -> None:
    await archive.take(
        in_room("carol", "hi", "m1", occupant="c"),
        in_room("dave", None, "m2", react("room-m1", "👍"), occupant="d"),
        in_room("davy", None, "m3", react("room-m1", "🎉"), occupant="d"),
        in_room("eve", None, "m4", react("room-m1", "👍"), occupant="e"),
    )

    folded = await archive.only()

    assert folded.reactions == {"🎉": (f"{ROOM}/davy",), "👍": (f"{ROOM}/eve",)}


async def test_message_with_the_stanza_id_of_another_gets_no_reaction(archive: Archive) -> None:
    forged = f"<stanza-id xmlns='{NS_SID}' by='mallory@evil.example' id='room-m1'/>"
    await archive.take(
        in_room("carol", "hi", "m1"),
        in_room("mallory", "by my own id", "room-m1"),
        in_room("mallory", "by one of a server of mine", "m2", forged),
        in_room("dave", None, "m3", react("room-m1", "👍")),
    )

    assert [folded.reactions for folded in await archive.folded()] == [
        {"👍": (f"{ROOM}/dave",)},
        {},
        {},
    ]


async def test_receipts_have_the_recipient_and_the_state(archive: Archive) -> None:
    await archive.take(
        to_bob("hi", "m1"),
        to_alice(None, "m2", received("m1")),
        to_alice(None, "m3", displayed("m1")),
        to_alice(None, "m4", received("m1")),
        to_bob(None, "m5", displayed("m1")),
    )

    [receipt] = (await archive.only()).receipts

    assert (receipt.by, receipt.state) == (BOB, "displayed")
    assert receipt.time == "2026-01-01T12:00:02.000000Z"


async def test_reference_to_an_unknown_message_is_ignored(archive: Archive) -> None:
    await archive.take(
        to_bob("hi", "m1"),
        to_bob("new", "m2", correct("")),
        to_alice(None, "m3", react("nothing", "👍")),
    )

    folded = await archive.only()

    assert (folded.body, folded.reactions) == ("hi", {})
