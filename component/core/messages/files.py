"""Files in messages: Out of Band Data (XEP-0066) and Stateless File Sharing (XEP-0447)."""

from __future__ import annotations

from dataclasses import dataclass

from component.core.xml.stream_parser import Element

NS_OOB = "jabber:x:oob"
NS_SHARING = "urn:xmpp:sfs:0"
NS_METADATA = "urn:xmpp:file:metadata:0"
NS_URL_DATA = "http://jabber.org/protocol/url-data"
NS_FALLBACK = "urn:xmpp:fallback:0"

#: Bytes of the greatest file that a message may name.
_DIGITS = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file that a message shares."""

    url: str
    name: str | None = None
    type: str | None = None  #: media type
    size: int | None = None  #: bytes


def file_of(message: Element, body: str | None) -> File | None:
    """Return the file that a message shares, None if it shares none over HTTP.

    A message of XEP-0066 shares a file if its body is the address: others name a page beside it.
    """
    sharing = message.child(NS_SHARING, "file-sharing")
    if sharing is not None and (file := _shared(sharing)) is not None:
        return file
    data = message.child(NS_OOB, "x")
    address = None if data is None else data.child(NS_OOB, "url")
    url = "" if address is None else address.text.strip()
    return File(url=url) if _is_web(url) and url == (body or "").strip() else None


def _shared(sharing: Element) -> File | None:
    """Return the file of an element of XEP-0447."""
    sources = sharing.child(NS_SHARING, "sources")
    targets = [item.get("target") for item in sources.elements] if sources is not None else []
    url = next(filter(_is_web, targets), None)
    if url is None:
        return None
    metadata = sharing.child(NS_METADATA, "file")
    size = _text(metadata, "size")
    is_number = size is not None and size.isascii() and size.isdigit()
    return File(
        url=url,
        name=_text(metadata, "name"),
        type=_text(metadata, "media-type"),
        size=int(size[:_DIGITS]) if size is not None and is_number else None,
    )


def _is_web(url: str) -> bool:
    return url.strip().startswith(("https://", "http://"))


def _text(metadata: Element | None, name: str) -> str | None:
    child = None if metadata is None else metadata.child(NS_METADATA, name)
    return None if child is None else child.text.strip() or None
