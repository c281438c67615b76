"""Recognises complete service-log copies in the bytes received, and those that need no parsing.

mod_service_log copies a message once for each hook that it passes, so most copies come twice or
more, with the same bytes. And each archive result that we send comes back to us as a copy
(XEP-0313 section 4.2); ejabberd 23.01 copies the end of each page, too. Parsing all of these would
take more time than parsing everything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: An attribute. Its value may contain ">", but never "<".
_ATTRIBUTE = rb" [^\s=<>'\"]+='[^'<]*'"

#: A value without references; all of its ASCII characters are allowed in XML.
_VALUE = rb"[!#-%(-;=?-~\x80-\xff]*"

#: The start tags of a copy, in which `to` is the first attribute or the second. They declare no
#: namespaces for the stanza inside, so the same bytes mean the same in every copy.
_AROUND = (
    rb"<message(?P<to> to='%b')? from='(?P<host>%b)'(?(to)| to='%b') id='%b'>"
    rb"<forwarded xmlns='urn:xmpp:forward:0'>" % (_VALUE, _VALUE, _VALUE, _VALUE)
)
_BEGINNING = re.compile(_AROUND + rb"(?=<[a-z]+ )")

_END = b"</forwarded></message>"

#: The beginning of a copy of an archive result or of the end of a page.
_ANSWER = re.compile(
    rb"%b<(?:message [^<>]*><result|iq [^<>]*>(?P<fin><fin))"
    rb"(?:%b)*? xmlns='urn:xmpp:mam:2'(?:%b)*>" % (_AROUND, _ATTRIBUTE, _ATTRIBUTE)
)


@dataclass(frozen=True, slots=True)
class _Answer:
    """How a kind of answer begins and ends in a copy."""

    start: bytes
    end: bytes
    ending: re.Pattern[bytes]  #: of the copy, from `end` on


#: Only hints (XEP-0334) follow a result, and nothing follows the end of a page.
_RESULT = _Answer(
    b"<result",
    b"</result>",
    re.compile(
        rb"</result>(?:<[a-z-]+ xmlns='urn:xmpp:hints'/>)*</message></forwarded></message>"
    ),
)
_FIN = _Answer(b"<fin", b"</fin>", re.compile(rb"</fin></iq></forwarded></message>"))


def behind_answers(data: bytes, start: int) -> int:
    """Return the index behind the whole copies of answers of our archive that begin at `start`.

    It is `start` if there is none, and has to be the beginning of a stanza.
    """
    while beginning := _ANSWER.match(data, start):
        # Users choose the content of archived stanzas. An end tag is that of our result only if no
        # other <result> begins before it, and it is an end tag at all only outside of CDATA.
        answer = _kind(beginning)
        inside = beginning.end()
        end = data.find(answer.end, inside)
        ending = answer.ending.match(data, end) if end >= 0 else None
        if (
            ending is None
            or data.find(answer.start, inside, end) >= 0
            or data.find(b"<!", inside, end) >= 0
        ):
            break
        start = ending.end()
    return start


def is_unfinished(data: bytes) -> bool:
    """Return whether these bytes are certainly only a part of one stanza, most likely of a copy.

    Nothing in them has ended, or at least the answer in them has not.
    """
    if not data.startswith(b"<message "):
        return False
    if b"</" not in data and b"/>" not in data:
        return True
    beginning = _ANSWER.match(data)
    return beginning is not None and _kind(beginning).end not in data


def _kind(beginning: re.Match[bytes]) -> _Answer:
    return _FIN if beginning["fin"] is not None else _RESULT


def piece_end(data: bytes, start: int) -> int:
    """Return the index behind the next place where a copy may end, or that of the end."""
    position = data.find(_END, start)
    return len(data) if position < 0 else position + len(_END)


def whole_copy(piece: bytes) -> tuple[str, bytes] | None:
    """Return the host that sent a copy and the stanza in it, None if `piece` is no complete copy.

    The host is "" if the start tags are not all ASCII. A user can write the end of a copy into a
    stanza, so the returned bytes may be only a part of a stanza: the caller has to check.
    """
    beginning = _BEGINNING.match(piece)
    if not beginning or not piece.endswith(_END):
        return None
    host = beginning["host"].decode() if beginning[0].isascii() else ""
    return host, piece[beginning.end() : -len(_END)]
