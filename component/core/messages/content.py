"""What readers are shown of a message itself: its addresses, its id, its texts, its file.

Most messages are read without a parser, which counts: a page has fifty of them.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from xml.sax.saxutils import unescape

from component.core.messages.files import NS_OOB, NS_SHARING, File, file_of
from component.core.messages.payloads import NS_REPLY, text_of
from component.core.messages.replies import Reply, reply_of
from component.core.xml.stream_parser import Element

_TEXT = "<body>([^<]*)</body>"
#: No attribute has a <, so the first one behind the name begins the first child.
_FIRST = re.compile(rf"<message[\s>][^<]*{_TEXT}")
_LAST = re.compile(rf"{_TEXT}</message>\Z")
_QUOTES = {"&quot;": '"', "&apos;": "'"}

_VALUE = r"[^'&<\t\r\n]*"
#: A start tag as ejabberd writes it, without references, and the body if it is the first child.
_PLAIN = re.compile(
    rf"<message(?: xml:lang='{_VALUE}'| xmlns='{_VALUE}'| type='{_VALUE}'"
    rf"| from='(?P<sender>{_VALUE})'| to='(?P<recipient>{_VALUE})'| id='(?P<id>{_VALUE})')*>"
    rf"(?:{_TEXT})?"
)


class Content(NamedTuple):
    """The parts of a message that are shown; None if it lacks a part. A tuple for speed."""

    sender: str | None = None
    recipient: str | None = None
    id: str | None = None
    body: str | None = None  #: without what a reply quotes
    subject: str | None = None
    file: File | None = None
    reply: Reply | None = None  #: XEP-0461


def content_of(message: Element) -> Content:
    """Return the content of a message that was parsed, with the children of its children."""
    # COMPAT: ejabberd before 17 removes the namespace from the stanzas that it passes on.
    written = text_of(message.child(message.ns, "body"))
    reply, body = reply_of(message, written)
    return Content(
        sender=message.get("from") or None,
        recipient=message.get("to") or None,
        id=message.get("id") or None,
        body=body,
        subject=text_of(message.child(message.ns, "subject")),
        file=file_of(message, written),
        reply=reply,
    )


def plain_content(xml: str) -> Content | None:
    """Return the content of a well-formed message, None if only a parser may read it.

    The start tag has to be written as ejabberd writes it, without references, and the message has
    at most a text.
    """
    plain = _PLAIN.match(xml)
    if (
        plain is None
        or not is_literal(xml)
        or "<subject" in xml
        or NS_OOB in xml
        or NS_SHARING in xml
        or NS_REPLY in xml
    ):
        return None
    sender, recipient, id, body = plain.groups()
    if body is None or "&" in body or "\r" in body:
        body = plain_body(xml)
        if body is None and "<body" in xml:
            return None
    return Content(sender or None, recipient or None, id or None, body)


def is_literal(xml: str) -> bool:
    """Return whether a message without a namespace in its text has no child of that namespace."""
    # A prefix may stand for any namespace, and a reference for any letter of one.
    return "xmlns:" not in xml and ("&" not in xml or "&#" not in xml)


def plain_body(xml: str) -> str | None:
    """Return the body of a stored stanza, None if it has none, or if only a parser may read it."""
    # Clients and servers put the body first or last.
    match = _FIRST.match(xml) or _LAST.match(xml, max(xml.find("<body"), 0))
    if match is None or "\r" in (text := match[1]):
        return None
    if "&" not in text:
        return text
    # Otherwise every reference is one of the five that XML predefines.
    return None if "&#" in text else unescape(text, _QUOTES)
