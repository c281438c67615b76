"""Finds the copies that are passed over unread: their bytes tell that nothing is to be done.

mod_service_log hands every message on for each hook that it passes, so most come at least twice,
the same to the byte. And for each result that we send we are sent one too (XEP-0313 section 4.2).
To read all of these would take more than all else that is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

#: A > may stand in a value, a < never does.
_ATTRIBUTE = rb" [^\s=<>'\"]+='[^'<]*'"

#: How a server begins a copy. It declares no namespaces for what is inside, so that the same bytes
#: mean the same in every copy.
_BEGINNING = re.compile(
    rb"<message(?:(?! xmlns)" + _ATTRIBUTE + rb")*><forwarded xmlns='urn:xmpp:forward:0'>"
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


def is_unread(piece: bytes, was_here: Callable[[bytes], bool]) -> bool:
    """Whether a piece is one whole copy that need not be read; a stanza has to begin with it.

    `was_here` says whether some bytes were one whole stanza in a copy before. Then they are again,
    and what follows is the end of the copy. An end that was written by somebody stands within a
    stanza, and a part of one was never here. Who sent the copy does not matter: nothing is done.
    """
    begun = _BEGINNING.match(piece)
    if not begun or not piece.endswith(_END):
        return False
    stanza = piece[begun.end() : -len(_END)]
    return _is_result(stanza) or was_here(stanza)


def _is_result(stanza: bytes) -> bool:
    """Whether all of these bytes, and not only their beginning, is a result of ours."""
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
