"""Finds, unread, the results of ours that come back to us as copies (XEP-0313 section 4.2).

mod_service_log hands every message on that it delivers, so for each result that we send we are
sent one. To read them would take more than all else that a page takes.
"""

from __future__ import annotations

import re

_ATTRIBUTE = rb" [^\s=<>'\"]+='[^'<>]*'"

#: How a server begins a copy of a result. A > may stand in a value, a < never does.
_BEGINNING = re.compile(
    rb"<message [^<>]*><forwarded xmlns='urn:xmpp:forward:0'><message [^<>]*>"
    rb"<result(?:" + _ATTRIBUTE + rb")*? xmlns='urn:xmpp:mam:2'"
)

_NAMESPACE = b"urn:xmpp:mam:2"

_LAST = b"</result>"

#: How the copy ends: behind the result are hints at most (XEP-0334).
_END = re.compile(
    re.escape(_LAST) + rb"(?:<[a-z-]+ xmlns='urn:xmpp:hints'/>)*</message></forwarded></message>"
)


def behind(data: bytes, place: int) -> int:
    """Return the place behind all whole copies of results that begin at a place.

    At that place a stanza has to begin.
    """
    while begun := _BEGINNING.match(data, place):
        start, last = begun.end(), data.find(_LAST, begun.end())
        end = None if last < 0 else _END.match(data, last)
        # Senders choose what is archived. An end tag is that of our result only where no other
        # one begins in between, and an end tag at all only outside of CDATA.
        if (
            not end
            or data.find(b"<result", start, last) >= 0
            or data.find(b"<!", start, last) >= 0
        ):
            break
        place = end.end()
    return place


def next_place(data: bytes, place: int) -> int:
    """Return where behind a place the next copy of a result may begin, else the end."""
    # Mostly users write to each other, and there is none.
    found = _BEGINNING.search(data, place + 1) if _NAMESPACE in data else None
    return found.start() if found else len(data)
