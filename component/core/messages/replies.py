"""XEP-0461: Message Replies, version 0.2.0.

A reply names the message that it answers. Its text begins, or ends, with a quotation for clients
that do not know replies (XEP-0428), which is no part of what its author says.
"""

from __future__ import annotations

from dataclasses import dataclass

from component.core.messages.files import NS_FALLBACK
from component.core.messages.payloads import NS_REPLY, attribute_of
from component.core.xml.stream_parser import Element

#: The greatest length of a quotation, in characters.
QUOTE_MAX = 300

_DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a message says of the message that it answers."""

    id: str  #: by which XMPP names the other message
    to: str | None  #: JID of the author of the other message, as written
    quote: str | None  #: what the reply quotes, up to QUOTE_MAX characters; None: nothing


def reply_of(message: Element, body: str | None) -> tuple[Reply | None, str | None]:
    """Return the reply of a message, None if it is none, and its text without the quotation.

    `message` has been parsed with the children of its children.
    """
    element = message.child(NS_REPLY, "reply")
    if element is None or not element.get("id"):
        return None, body
    start, end = _quotation(message, len(body or ""))
    quote = _unquoted((body or "")[start:end])
    reply = Reply(id=element.get("id"), to=attribute_of(element, "to"), quote=quote or None)
    return reply, None if body is None else body[:start] + body[end:]


def quotation(text: str) -> str:
    """Return the quotation of a text, with a mark before each line."""
    lines = shortened(text).splitlines() if text else []
    return "".join(f"> {line}\n" for line in lines)


def shortened(text: str) -> str:
    """Return the beginning of a text, as long as a quotation may be."""
    return text if len(text) <= QUOTE_MAX else f"{text[: QUOTE_MAX - 1]}…"


def _quotation(message: Element, length: int) -> tuple[int, int]:
    """Return where the quotation begins and ends in a text, in characters; both 0: nowhere."""
    for fallback in message.elements:
        is_of_reply = fallback.get("for") == NS_REPLY
        if (fallback.ns, fallback.name) != (NS_FALLBACK, "fallback") or not is_of_reply:
            continue
        body = fallback.child(NS_FALLBACK, "body")
        if body is None:
            return 0, 0
        start, end = _number(body.get("start"), 0), _number(body.get("end"), length)
        return (start, end) if 0 <= start < end <= length else (0, 0)
    return 0, 0


def _number(text: str, default: int) -> int:
    """Return a place in a text; -1 for what is none."""
    if not text:
        return default
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else -1


def _unquoted(text: str) -> str:
    lines = (line.removeprefix(">").removeprefix(" ") for line in text.strip().splitlines())
    return shortened("\n".join(lines))
