"""The files that messages link to."""

from __future__ import annotations

import pytest

from component.core.messages.links import LINKS_MAX, SharedFile, shared_files

URL = "https://files.example/a%20b.png"

OOB = f"<x xmlns='jabber:x:oob'><url>{URL}</url><desc>A cat</desc></x>"

SHARING = f"""<file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'>
<file xmlns='urn:xmpp:file:metadata:0'><media-type>image/png</media-type><name>a b.png</name>
<size>6144</size><desc>A cat</desc></file>
<sources><url-data xmlns='http://jabber.org/protocol/url-data' target='{URL}'/></sources>
</file-sharing>"""

INLINE = f"""<reference xmlns='urn:xmpp:reference:0' type='data' begin='0' end='9'>
<media-sharing xmlns='urn:xmpp:sims:1'>
<file xmlns='urn:xmpp:jingle:apps:file-transfer:5'><media-type>image/png</media-type>
<name>a b.png</name><size>6144</size><desc>A cat</desc></file>
<sources><reference xmlns='urn:xmpp:reference:0' type='data' uri='{URL}'/></sources>
</media-sharing></reference>"""

WHOLE = SharedFile(url=URL, name="a b.png", media_type="image/png", size=6144, description="A cat")


def message(*payloads: str) -> str:
    return f"<message xmlns='jabber:client'><body>{URL}</body>{''.join(payloads)}</message>"


@pytest.mark.parametrize(
    ("payloads", "files"),
    [
        ((OOB,), (SharedFile(url=URL, description="A cat"),)),
        ((SHARING,), (WHOLE,)),
        ((INLINE,), (WHOLE,)),
        ((OOB, SHARING), (WHOLE,)),
        ((INLINE, OOB, SHARING), (WHOLE,)),
        ((), ()),
        (("<x xmlns='jabber:x:oob'/>", "<file-sharing xmlns='urn:xmpp:sfs:0'/>"), ()),
        (("<x xmlns='jabber:x:data'><url>u</url></x>",), ()),
    ],
)
def test_message_links_to_each_url_once_with_the_best_description(
    payloads: tuple[str, ...], files: tuple[SharedFile, ...]
) -> None:
    assert shared_files(message(*payloads)) == files


@pytest.mark.parametrize("size", ["-1", "1e9", "٣", "9" * 19, "", "x"])
def test_size_that_is_no_number_is_unknown(size: str) -> None:
    [file] = shared_files(message(SHARING.replace("6144", size)))

    assert file.size is None


def test_number_of_links_of_a_message_is_bounded() -> None:
    links = [f"<x xmlns='jabber:x:oob'><url>https://x/{n}</url></x>" for n in range(100)]

    assert len(shared_files(message(*links))) == LINKS_MAX


@pytest.mark.parametrize("xml", ["", "<message", "<message>\ud800</message>"])
def test_blanked_or_malformed_message_has_no_files(xml: str) -> None:
    assert shared_files(xml) == ()
