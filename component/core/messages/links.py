"""The files that a message links to, and the namespaces of encrypted messages.

XEP-0066 (Out of Band Data), XEP-0385 (Stateless Inline Media Sharing), XEP-0447 (Stateless File
Sharing). Nothing here loads a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from component.core.messages.payloads import PAYLOADS, Purpose, text_of
from component.core.xml.document_parser import parse
from component.core.xml.stream_parser import Element, Malformed

_NS_OOB = "jabber:x:oob"
_NS_REFERENCE = "urn:xmpp:reference:0"
_NS_SIMS = "urn:xmpp:sims:1"
_NS_SHARING = "urn:xmpp:sfs:0"
_NS_URL_DATA = "http://jabber.org/protocol/url-data"

#: Namespaces of elements that describe a file.
_NS_FILES = ("urn:xmpp:file:metadata:0", "urn:xmpp:jingle:apps:file-transfer:5")

#: One of these is in the XML of each message that links to a file.
LINK_NAMESPACES = (_NS_OOB, _NS_SIMS, _NS_SHARING)

#: One of these is in the XML of each encrypted message.
ENCRYPTION_NAMESPACES = tuple(
    dict.fromkeys(payload.ns for payload in PAYLOADS if payload.purpose is Purpose.ENCRYPTED)
)

#: The depth of the deepest element that is read: message, reference, media-sharing, sources,
#: reference.
_KEEP_DEPTH = 5

#: The maximum number of links of one message.
LINKS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFile:
    """A link to a file, as its sender wrote it; None where the sender did not say."""

    url: str
    name: str | None = None
    media_type: str | None = None
    size: int | None = None  #: in bytes
    description: str | None = None


def shared_files(xml: str) -> tuple[SharedFile, ...]:
    """Return the files that a stored message links to, each URL once."""
    try:
        message = parse(xml.encode(), keep_depth=_KEEP_DEPTH)
    except (Malformed, UnicodeEncodeError):
        return ()
    files: dict[str, SharedFile] = {}
    # The first description of a URL has more than the link beside it for old clients.
    for file in (*_described(message), *_out_of_band(message)):
        if file.url and len(files) < LINKS_MAX:
            files.setdefault(file.url, file)
    return tuple(files.values())


def _out_of_band(message: Element) -> Iterator[SharedFile]:
    for child in message.elements:
        if (child.ns, child.name) == (_NS_OOB, "x"):
            url = text_of(child.child(_NS_OOB, "url")) or ""
            description = text_of(child.child(_NS_OOB, "desc")) or None
            yield SharedFile(url=url.strip(), description=description)


def _described(message: Element) -> Iterator[SharedFile]:
    for child in message.elements:
        if (child.ns, child.name) == (_NS_SHARING, "file-sharing"):
            yield from _sources(child, _NS_SHARING)
        elif (child.ns, child.name) == (_NS_REFERENCE, "reference"):
            sharing = child.child(_NS_SIMS, "media-sharing")
            if sharing is not None:
                yield from _sources(sharing, _NS_SIMS)


def _sources(sharing: Element, ns: str) -> Iterator[SharedFile]:
    """Yield a file once for each of its addresses."""
    files = (sharing.child(ns_file, "file") for ns_file in _NS_FILES)
    file = next((file for file in files if file is not None), None)
    sources = sharing.child(ns, "sources")
    for source in () if sources is None else sources.elements:
        url = {
            (_NS_URL_DATA, "url-data"): source.get("target"),
            (_NS_REFERENCE, "reference"): source.get("uri"),
        }.get((source.ns, source.name), "")
        yield SharedFile(
            url=url.strip(),
            name=_field(file, "name"),
            media_type=_field(file, "media-type"),
            size=_size(_field(file, "size")),
            description=_field(file, "desc"),
        )


def _field(file: Element | None, name: str) -> str | None:
    return None if file is None else text_of(file.child(file.ns, name)) or None


def _size(text: str | None) -> int | None:
    # No file has a size of more digits.
    is_size = text is not None and text.isascii() and text.isdigit() and len(text) <= 18
    return int(text) if text is not None and is_size else None
