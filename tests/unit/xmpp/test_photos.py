"""Hashes of images in copied presences (XEP-0153)."""

from __future__ import annotations

import pytest
from support.wire import ALICE, BOB, BOB_PHONE, NS_CLIENT

from component.core.chat.following.signals import Signals
from component.core.xml.document_parser import parse
from component.xmpp.connection.addresses import Addresses
from component.xmpp.copies.photos import NS, PhotoCopies

HASH = "0123456789abcdef0123456789abcdef01234567"


def noted(update: str, *, type: str = "") -> list[tuple[str, str]]:
    """Return what is noted of a presence of bob."""
    notes: list[tuple[str, str]] = []
    signals = Signals()
    signals.listen_photos(lambda user, photo_hash: notes.append((user, photo_hash)))
    kind = f" type='{type}'" if type else ""
    raw = (
        f"<presence xmlns='{NS_CLIENT}' from='{BOB_PHONE}' to='{ALICE}'{kind}>{update}</presence>"
    ).encode()
    PhotoCopies(signals, Addresses()).take(parse(raw, keep_depth=1), raw)
    return notes


@pytest.mark.parametrize("photo_hash", [HASH, ""])
def test_hash_of_an_image_is_noted(photo_hash: str) -> None:
    update = f"<x xmlns='{NS}'><photo>{photo_hash}</photo></x>"

    assert noted(update) == [(BOB, photo_hash)]


@pytest.mark.parametrize(
    "update",
    ["", f"<x xmlns='{NS}'/>", f"<x xmlns='{NS}'><photo>another text</photo></x>"],
    ids=["no update", "not ready to say", "no hash"],
)
def test_presence_without_a_hash_says_nothing(update: str) -> None:
    assert noted(update) == []


def test_presence_that_ends_says_nothing() -> None:
    assert noted(f"<x xmlns='{NS}'><photo/></x>", type="unavailable") == []
