"""Finds whole copies, and those that are passed over unread: their bytes tell it.

mod_service_log hands every message on for each hook that it passes, so most come at least twice,
the same to the byte. And for each result that we send we are sent one too (XEP-0313 section 4.2).
To read all of these would take more than all else that is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: A > may stand in a value, a < never does.
_ATTRIBUTE = rb" [^\s=<>'\"]+='[^'<]*'"

#: A value without references, of characters that are allowed wherever bytes are ASCII.
_VALUE = rb"[!#-%(-;=?-~\x80-\xff]*"

#: How a server begins a copy, in this order or with `to` behind. It declares no namespaces for
#: what is inside, which has no prefix, so that the same bytes mean the same in every copy.
_BEGINNING = re.compile(
    rb"<message(?P<to> to='%b')? from='(?P<host>%b)'(?(to)| to='%b') id='%b'>"
    rb"<forwarded xmlns='urn:xmpp:forward:0'>(?=<[a-z]+ )" % (_VALUE, _VALUE, _VALUE, _VALUE)
)

#: How it ends one.
_END = b"</forwarded></message>"

#: How a result of ours begins that is passed on, and how it ends: behind the result are hints at
#: most (XEP-0334).
_RESULT = re.compile(rb"<message [^<>]*><result(?:" + _ATTRIBUTE + rb")*? xmlns='urn:xmpp:mam:2'")
_NAMESPACE = b"urn:xmpp:mam:2"
_RESULT_END = re.compile(rb"</result>(?:<[a-z-]+ xmlns='urn:xmpp:hints'/>)*</message>")


def pieces(data: bytes) -> Iterator[bytes]:
    """Cut what was received behind each place where a copy may end."""
    place = 0
    while (end := data.find(_END, place)) >= 0:
        behind = end + len(_END)
        yield data[place:behind]
        place = behind
    if place < len(data):
        yield data[place:]


def whole_copy(piece: bytes) -> tuple[str, bytes] | None:
    """Return which host sent a copy, and what is in it, where a piece looks like a whole one.

    The host is "" where not all before the stanza is ASCII. An end that was written by somebody
    stands within a stanza, so what is in between is either one whole stanza or a part of one:
    whoever asks has to find out.
    """
    begun = _BEGINNING.match(piece)
    if not begun or not piece.endswith(_END):
        return None
    host = begun["host"].decode() if begun[0].isascii() else ""
    return host, piece[begun.end() : -len(_END)]


def is_result(stanza: bytes) -> bool:
    """Whether a stanza, and not only the beginning of these bytes, is a result of ours."""
    # Mostly users write to each other, and it is none.
    begun = _RESULT.match(stanza) if _NAMESPACE in stanza else None
    if not begun:
        return False
    # Senders choose what is archived. An end tag is that of our result only where no other one
    # begins in between, and an end tag at all only outside of CDATA.
    inside, end = begun.end(), stanza.find(b"</result>", begun.end())
    return (
        end >= 0
        and _RESULT_END.fullmatch(stanza, end) is not None
        and stanza.find(b"<result", inside, end) < 0
        and stanza.find(b"<!", inside, end) < 0
    )
