"""XEP-0461: Message Replies, version 0.2.0, as an archive for people shows and sends them."""

from __future__ import annotations

from xml.etree.ElementTree import tostring

import pytest
from support.builders import stanza
from support.wire import ALICE, ALICE_PHONE, BOB, BOB_PHONE, HOST, Wire, chat

from component.core.messages.content import content_of
from component.core.messages.describe import describe
from component.core.messages.replies import QUOTE_MAX
from component.core.reading.views import FOLDED_KINDS, ReadableMessage, Views
from component.core.sessions.outgoing import Outgoing, ReplyTo, Text
from component.core.xml.document_parser import parse
from component.sessions import stanzas

ROOM = f"room@conference.{HOST}"
REPLY, FALLBACK = "{urn:xmpp:reply:0}reply", "{urn:xmpp:fallback:0}fallback"


def reply(id: str, to: str, start: object = "", end: object = "") -> str:
    place = "".join(f" {name}='{value}'" for name, value in (("start", start), ("end", end)))
    return (
        f"<reply xmlns='urn:xmpp:reply:0' id='{id}' to='{to}'/>"
        f"<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body{place}/></fallback>"
    )


async def shown(wire: Wire) -> list[ReadableMessage]:
    rows = [row for row in await wire.archived(ALICE) if row.kind in FOLDED_KINDS]
    return list(await Views(wire.archive).of(ALICE, rows, folded=True))


async def test_reply_names_the_message_by_its_id_and_its_own_text_is_shown(wire: Wire) -> None:
    """In direct chats the id of the reply is that of the origin-id or of the message itself."""
    wire.log_copy(chat("Tea or coffee?", sender=BOB_PHONE, to=ALICE_PHONE, id="m1"))
    quote = "&gt; Tea or coffee?\n"
    text = f"{quote}Tea, please"
    extra = reply("m1", BOB, 0, len("> Tea or coffee?\n"))
    wire.log_copy(chat(text, sender=ALICE_PHONE, to=BOB, id="m2", extra=extra))

    [asked, answer] = await shown(wire)

    assert answer.folded
    assert answer.folded.body == "Tea, please"
    assert answer.answered
    assert answer.answered.message
    assert answer.answered.message.message == asked.message
    assert asked.answered is None


async def test_reply_in_a_room_names_the_id_of_the_room(wire: Wire) -> None:
    """For messages of type 'groupchat', the stanza's Unique and Stable Stanza IDs ... MUST be
    used (section 3.1)."""

    def reflected(body: str, id: str, extra: str = "") -> str:
        extra += f"<stanza-id xmlns='urn:xmpp:sid:0' by='{ROOM}' id='room-{id}'/>"
        sender = f"{ROOM}/bob"
        return chat(body, sender=sender, to=ALICE_PHONE, type="groupchat", id=id, extra=extra)

    wire.log_copy(reflected("first", "one"))
    wire.log_copy(reflected("to the room's id", "two", reply("room-one", f"{ROOM}/bob")))
    wire.log_copy(reflected("to the author's id", "three", reply("one", f"{ROOM}/bob")))

    [_, right, wrong] = await shown(wire)

    assert right.answered
    assert right.answered.message
    assert wrong.answered
    assert wrong.answered.message is None


async def test_unknown_message_is_shown_as_the_reply_quotes_it(wire: Wire) -> None:
    text = "&gt; two\n&gt; lines\nyes"
    extra = reply("gone", BOB, 0, len("> two\n> lines\n"))
    wire.log_copy(chat(text, sender=BOB_PHONE, to=ALICE_PHONE, id="m1", extra=extra))

    [item] = await shown(wire)

    assert item.answered
    assert item.answered.message is None
    assert item.answered.reply.quote == "two\nlines"
    assert item.answered.reply.to == BOB


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (0, 3, "yes"),
        ("", "", ""),
        (0, 99, "> ayes"),
        (3, 1, "> ayes"),
        (-1, 3, "> ayes"),
        (0, "9" * 5000, "> ayes"),
        ("x", 3, "> ayes"),
    ],
)
def test_quotation_is_cut_only_where_the_fallback_is_inside_the_text(
    start: object, end: object, text: str
) -> None:
    body = "<body>&gt; ayes</body>"
    xml = f"<message xmlns='jabber:client'>{body}{reply('m1', BOB, start, end)}</message>"

    assert content_of(parse(xml.encode(), keep_depth=3)).body == text


def test_search_finds_the_words_of_a_reply_and_not_of_its_quotation() -> None:
    extra = reply("m1", BOB, 0, 7)
    text = chat("&gt; rain\nsun", sender=BOB_PHONE, to=ALICE_PHONE, id="m2", extra=extra)

    assert describe(stanza(text)).text == "sun"


@pytest.mark.parametrize("quote", ["", "short 🌍", "two\nlines", "x" * 1000])
def test_reply_that_is_sent_has_a_fallback_of_its_quotation(quote: str) -> None:
    """A client MUST count Unicode code points for `start` and `end` (XEP-0428)."""
    text = Text("own words", reply=ReplyTo("m1", BOB, quote))
    sent = stanzas.message(Outgoing(id="m2", to=BOB, type="chat", payload=text))

    [element] = sent.iter(REPLY)
    assert (element.get("id"), element.get("to")) == ("m1", BOB)
    assert len(list(sent.iter(FALLBACK))) == (quote != "")
    content = content_of(parse(tostring(sent), keep_depth=3))
    assert content.body == "own words"
    assert content.reply
    assert (content.reply.quote or "")[:200] == quote[:200]
    assert len(content.reply.quote or "") <= QUOTE_MAX
