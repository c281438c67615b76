"""What is read of a message without a parser is what a parser reads."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from hypothesis import given
from hypothesis import strategies as st

from component.core.messages.content import content_of, plain_content
from component.core.messages.stored import Message, payloads_of
from component.core.xml.document_parser import parse
from storage.rows import ArchivedMessage, Direction

#: Texts with the characters and words that could mislead a reader that is no parser.
TEXTS = st.lists(
    st.text(
        st.characters(
            codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"
        ),
        max_size=4,
    )
    | st.sampled_from(
        ["'", '"', "<", ">", "&", "\t", "\r", "\n", "&amp;", " id='x'", " to=", "urn:xmpp:reply:0"]
    )
    | st.sampled_from(["<body>", "</body>", "<subject>", "xmlns:", "</message>", "&#", "]]>"]),
    max_size=6,
).map("".join)
NAMES = st.sampled_from(["from", "to", "id", "type", "xml:lang", "xmlns", "other", "xmlns:p"])
QUOTES = st.sampled_from(["'", "'", "'", '"'])

#: Attributes as they mostly are.
USUAL = st.dictionaries(
    st.sampled_from(["from", "to", "id", "type", "xmlns"]), st.text("aé@./>", max_size=4)
)

#: References to characters in texts are written in each of these ways.
CHILDREN = st.one_of(
    st.builds("<body>{}</body>".format, TEXTS.map(escape)),
    st.builds(
        "<body>{}</body>".format,
        TEXTS.map(lambda text: "&#97;".join(map(escape, text.split("a")))),
    ),
    st.builds("<body><![CDATA[{}]]></body>".format, TEXTS.filter(lambda text: "]]" not in text)),
    st.builds("<body xml:lang='de'>{}</body>".format, TEXTS.map(escape)),
    st.builds("<body xmlns='urn:other'>{}</body>".format, TEXTS.map(escape)),
    st.builds("<subject>{}</subject>".format, TEXTS.map(escape)),
    st.builds(
        "<forwarded><message><body>{}</body></message></forwarded>".format, TEXTS.map(escape)
    ),
    TEXTS.map(escape),
    st.sampled_from(
        [
            "<body/>",
            "<active xmlns='http://jabber.org/protocol/chatstates'/>",
            "<request xmlns='urn:xmpp:receipts'/>",
            "<r:request xmlns:r='urn:xmpp:receipts'/>",
            "<request xmlns='urn&#58;xmpp:receipts'/>",
            "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='o'/>",
            "<replace xmlns='urn:xmpp:message-correct:0' id='c'/>",
            "<x xmlns='jabber:x:oob'><url>https://files.example/a</url></x><body>a</body>",
            "<reply xmlns='urn:xmpp:reply:0' id='r'/>",
            "<r:reply xmlns:r='urn:xmpp:reply:0' id='r'/>",
            "<reply xmlns='urn:xmpp:repl&#121;:0' id='r'/>",
            "<x xmlns='http://jabber.org/protocol/muc#user'/>",
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='d'/>",
        ]
    ),
)


def attribute(name: str, value: str, quote: str, space: str) -> str:
    escaped = quoteattr(value)[1:-1].replace('"', "&quot;").replace("'", "&apos;")
    return f"{space}{name}={quote}{escaped}{quote}"


@st.composite
def messages(draw: st.DrawFn) -> str:
    values: Mapping[str, str] = draw(USUAL | st.dictionaries(NAMES, TEXTS, max_size=6))
    quote = draw(QUOTES)
    space = draw(st.sampled_from([" ", " ", " ", "  ", "\n"]))
    head = "".join(
        # Namespaces are names, not texts.
        attribute(name, "urn:some" if "xmlns" in name else value, quote, space)
        for name, value in values.items()
    )
    return f"<message{head}>{''.join(draw(st.lists(CHILDREN, max_size=4)))}</message>"


@given(xml=messages())
def test_content_without_a_parser_is_that_of_the_parser(xml: str) -> None:
    content = plain_content(xml)

    assert content is None or content == content_of(parse(xml.encode(), keep_depth=3))


@given(xml=messages())
def test_payloads_without_a_parser_are_those_of_the_parser(xml: str) -> None:
    row = ArchivedMessage(
        id="1",
        at=0,
        peer="bob@one.test",
        resource="",
        type="chat",
        direction=Direction.RECEIVED,
        xml=xml,
        nick="",
    )

    assert Message(row).payloads == payloads_of(parse(xml.encode(), keep_depth=3))


def test_usual_messages_need_no_parser() -> None:
    for payload in ("", "<active xmlns='http://jabber.org/protocol/chatstates'/>"):
        content = plain_content(
            "<message xml:lang='en' to='a@one.test' from='b@one.test/phone' type='chat' id='m1'"
            f" xmlns='jabber:client'><body>&quot;Hi&quot; &amp; bye</body>{payload}"
            "<request xmlns='urn:xmpp:receipts'/></message>"
        )
        assert content is not None
        assert content[:4] == ("b@one.test/phone", "a@one.test", "m1", '"Hi" & bye')
