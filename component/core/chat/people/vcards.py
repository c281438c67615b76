"""vCards (XEP-0054): the name and the photo, and all other fields kept.

Also the payloads of user avatars (XEP-0084).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Collection
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from component.core.chat.people.avatars import INPUT_MAX_BYTES, Avatar
from component.core.ejabberd_options import NS_PUBSUB
from component.core.xml.stream_parser import Element

NS = "vcard-temp"
NS_DATA = "urn:xmpp:avatar:data"
NS_METADATA = "urn:xmpp:avatar:metadata"

#: The query for a vCard, and the queries for the avatar of an account.
GET = f"<vCard xmlns='{NS}'/>"
GET_METADATA = f"<pubsub xmlns='{NS_PUBSUB}'><items node='{NS_METADATA}' max_items='1'/></pubsub>"

#: Elements that a vCard of ours replaces.
_NAMES = ("FN", "NICKNAME")
_PHOTO = "PHOTO"


@dataclass(frozen=True, slots=True, kw_only=True)
class VCard:
    """A vCard."""

    name: str = ""
    photo: bytes | None = None
    elements: tuple[tuple[str, str], ...] = ()  #: name and XML of each child element

    @classmethod
    def of(cls, element: Element, raw: bytes) -> VCard:
        """Read a vCard from the result of a query; another element is an empty vCard."""
        if (element.ns, element.name) != (NS, "vCard"):
            return cls()
        texts = [_text(element, name) for name in _NAMES]
        photo = element.child(NS, _PHOTO)
        return cls(
            name=next(filter(None, texts), ""),
            photo=None if photo is None else _image(photo),
            elements=tuple(
                (child.name, raw[child.start : child.end].decode()) for child in element.elements
            ),
        )

    def with_name(self, name: str) -> str:
        """Return the XML of the vCard with another name, "": without one."""
        texts = [f"<{element}>{escape(name)}</{element}>" for element in _NAMES if name]
        return self._xml(_NAMES, "".join(texts))

    def with_photo(self, photo: Avatar | None) -> str:
        """Return the XML of the vCard with another photo, None: without one."""
        xml = ""
        if photo is not None:
            value = f"<BINVAL>{b64encode(photo.data).decode()}</BINVAL>"
            xml = f"<{_PHOTO}><TYPE>{photo.type}</TYPE>{value}</{_PHOTO}>"
        return self._xml((_PHOTO,), xml)

    def _xml(self, replaced: Collection[str], replacement: str) -> str:
        kept = [xml for name, xml in self.elements if name not in replaced]
        return f"<vCard xmlns='{NS}'>{replacement}{''.join(kept)}</vCard>"


def avatar_id_of(element: Element) -> str | None:
    """Return the id of the avatar in the result of GET_METADATA, None if there is none."""
    for metadata in _items(element, NS_METADATA, "metadata"):
        info = metadata.child(NS_METADATA, "info")
        return info.get("id") or None if info is not None else None
    return None


def get_data(id: str) -> str:
    """Return the query for an image of XEP-0084."""
    item = f"<items node='{NS_DATA}'><item id={quoteattr(id)}/></items>"
    return f"<pubsub xmlns='{NS_PUBSUB}'>{item}</pubsub>"


def image_of(element: Element) -> bytes | None:
    """Return the image in the result of `get_data`, None if there is none."""
    for data in _items(element, NS_DATA, "data"):
        return _decoded(data.text)
    return None


def publish_data(avatar: Avatar) -> str:
    """Return the publication of an image (XEP-0084 section 4.1)."""
    data = f"<data xmlns='{NS_DATA}'>{b64encode(avatar.data).decode()}</data>"
    return _publication(NS_DATA, avatar.id, data)


def publish_metadata(avatar: Avatar | None) -> str:
    """Return the publication of the metadata; None: there is no avatar any more (section 4.4)."""
    info, id = "", "none"
    if avatar is not None:
        id = avatar.id
        info = (
            f"<info bytes='{len(avatar.data)}' id='{id}' type='{avatar.type}'"
            f" width='{avatar.width}' height='{avatar.height}'/>"
        )
    return _publication(NS_METADATA, id, f"<metadata xmlns='{NS_METADATA}'>{info}</metadata>")


def _publication(node: str, id: str, payload: str) -> str:
    publish = f"<publish node='{node}'><item id='{id}'>{payload}</item></publish>"
    return f"<pubsub xmlns='{NS_PUBSUB}'>{publish}</pubsub>"


def _items(element: Element, ns: str, name: str) -> list[Element]:
    items = element.child(NS_PUBSUB, "items")
    payloads = [item.child(ns, name) for item in items.elements] if items is not None else []
    return [payload for payload in payloads if payload is not None]


def _text(element: Element, name: str) -> str:
    child = element.child(NS, name)
    return "" if child is None else child.text.strip()


def _image(photo: Element) -> bytes | None:
    """Return the image of a photo; one that only has an address is not fetched."""
    value = photo.child(NS, "BINVAL")
    return None if value is None else _decoded(value.text)


def _decoded(text: str) -> bytes | None:
    """Return what base64 stands for, None for other texts and too large ones."""
    if len(text) > INPUT_MAX_BYTES * 3 // 2:
        return None
    try:
        return b64decode("".join(text.split()), validate=True) or None
    except ValueError:
        return None
