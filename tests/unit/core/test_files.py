"""Files that messages share, as we send them and as other clients do."""

from __future__ import annotations

from xml.etree.ElementTree import tostring

import pytest

from component.core.messages.content import content_of
from component.core.messages.files import File
from component.core.sessions.outgoing import Outgoing, Text
from component.core.xml.document_parser import parse
from component.sessions import stanzas

URL = "https://files.one.test/a/cat.png"
SHARED = (
    "<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'>{}</file>"
    "<sources><url-data xmlns='http://jabber.org/protocol/url-data' target='{}'/></sources>"
    "</file-sharing>"
)
OOB = "<x xmlns='jabber:x:oob'><url>{}</url></x>"


def shared(payload: str, body: str = URL) -> File | None:
    """Return the file of a message with a body and a payload."""
    xml = f"<message xmlns='jabber:client'><body>{body}</body>{payload}</message>"
    return content_of(parse(xml.encode(), keep_depth=3)).file


@pytest.mark.parametrize(
    "file", [File(url=URL), File(url=URL, name="a & b.png", type="image/png", size=4711)]
)
def test_file_is_read_as_it_was_sent(file: File) -> None:
    message = Outgoing(id="m", to="bob@one.test", type="chat", payload=Text(file.url, file))

    content = content_of(parse(tostring(stanzas.message(message)), keep_depth=3))

    assert (content.file, content.body) == (file, URL)


def test_address_that_is_the_body_shares_a_file() -> None:
    assert shared(OOB.format(URL)) == File(url=URL)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        OOB.format("https://elsewhere.example/"),
        "<x xmlns='jabber:x:oob'/>",
        SHARED.format("", "ftp://files.one.test/"),
        SHARED.format("", "javascript:alert(1)"),
        "<file-sharing xmlns='urn:xmpp:sfs:0'/>",
    ],
    ids=["none", "a page beside the text", "no address", "ftp", "javascript", "empty"],
)
def test_other_payloads_share_no_file(payload: str) -> None:
    assert shared(payload) is None


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "cat.png"])
def test_address_of_another_scheme_is_no_file(url: str) -> None:
    assert shared(OOB.format(url), url) is None


@pytest.mark.parametrize("size", ["-1", "many", "1e3", "\u0664"])
def test_size_that_is_no_number_is_left_out(size: str) -> None:
    file = shared(SHARED.format(f"<size>{size}</size><name>cat</name>", URL))

    assert file == File(url=URL, name="cat")
