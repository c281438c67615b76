"""Images that users show, in copied presences (XEP-0153)."""

from __future__ import annotations

import re

from component.core.chat.following.signals import Signals
from component.core.xml import jids
from component.core.xml.document_parser import parse
from component.core.xml.stream_parser import Element, Malformed
from component.xmpp.connection.addresses import Addresses

NS = "vcard-temp:x:update"

_NS_BYTES = NS.encode()
_SHA1 = re.compile("[0-9a-f]{40}|")


class PhotoCopies:
    """Notes the hashes of images in presences, so that none is shown that was replaced."""

    def __init__(self, signals: Signals, addresses: Addresses) -> None:
        self._signals = signals
        self._addresses = addresses

    def take(self, presence: Element, raw: bytes) -> None:
        """Read a presence; one without the hash says nothing about the image (section 4.1)."""
        if _NS_BYTES not in raw or presence.get("type"):
            return
        try:
            update = parse(raw, keep_depth=2).child(NS, "x")
        except Malformed:
            return
        photo = None if update is None else update.child(NS, "photo")
        sender = jids.bare(self._addresses.accept(presence.get("from")))
        if photo is not None and sender and _SHA1.fullmatch(photo.text.strip()):
            self._signals.note_photo(sender, photo.text.strip())
