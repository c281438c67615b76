"""Recognises complete service-log copies in the bytes received, and those that need no parsing.

mod_service_log copies a message once for each hook that it passes, so most copies come twice or
more, with the same bytes. And each archive result that we send comes back to us as a copy
(XEP-0313 section 4.2). Parsing all of these would take more time than parsing everything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: An attribute. Its value may contain ">", but never "<".
_ATTRIBUTE = rb" [^\s=<>'\"]+='[^'<]*'"

#: A value without references; all of its ASCII characters are allowed in XML.
_VALUE = rb"[!#-%(-;=?-~\x80-\xff]*"

#: The beginning of a copy, in which `to` is the first attribute or the second. It declares no
#: namespaces for the stanza inside, so the same bytes mean the same in every copy.
_BEGINNING = re.compile(
    rb"<message(?P<to> to='%b')? from='(?P<host>%b)'(?(to)| to='%b') id='%b'>"
    rb"<forwarded xmlns='urn:xmpp:forward:0'>(?=<[a-z]+ )" % (_VALUE, _VALUE, _VALUE, _VALUE)
)

_END = b"</forwarded></message>"

#: The beginning of a message with an archive result, and its end: only hints (XEP-0334) follow.
_RESULT = re.compile(rb"<message [^<>]*><result(?:" + _ATTRIBUTE + rb")*? xmlns='urn:xmpp:mam:2'")
_NAMESPACE = b"urn:xmpp:mam:2"
_RESULT_END = re.compile(rb"</result>(?:<[a-z-]+ xmlns='urn:xmpp:hints'/>)*</message>")


def pieces(data: bytes) -> Iterator[bytes]:
    """Split received bytes behind each place where a copy may end."""
    start = 0
    while (position := data.find(_END, start)) >= 0:
        end = position + len(_END)
        yield data[start:end]
        start = end
    if start < len(data):
        yield data[start:]


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


def is_result(stanza: bytes) -> bool:
    """Return whether these bytes are one whole message with an archive result of ours."""
    # Most messages are no results, and `in` is faster than the expression.
    beginning = _RESULT.match(stanza) if _NAMESPACE in stanza else None
    if not beginning:
        return False
    # Users choose the content of archived stanzas. An end tag is that of our result only if no
    # other <result> begins before it, and it is an end tag at all only outside of CDATA.
    inside, end = beginning.end(), stanza.find(b"</result>", beginning.end())
    return (
        end >= 0
        and _RESULT_END.fullmatch(stanza, end) is not None
        and stanza.find(b"<result", inside, end) < 0
        and stanza.find(b"<!", inside, end) < 0
    )
