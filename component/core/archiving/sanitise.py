"""Remove forged ids, and the real addresses of room occupants, from a stanza before storing it.

The bytes are cut out: nothing else of the stanza changes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from component.core.xml import jids
from component.core.xml.document_parser import parse
from component.core.xml.stanza import NS_ARCHIVED, NS_MUC_USER, NS_STANZA_ID, Stanza
from component.core.xml.stream_parser import Element, cut

STANZA_ID = (NS_STANZA_ID, "stanza-id")
#: COMPAT: the predecessor of stanza-id, before XEP-0359.
ARCHIVED = (NS_ARCHIVED, "archived")
MUC_USER = (NS_MUC_USER, "x")

#: An address that all clients prepare alike.
_PLAIN = re.compile(r"(?:(?:[!-.0-?A-~]+@)?[-.:\[\]0-9A-Za-z]+(?:/[!-~]+)?)?")

_CHECKED = frozenset({STANZA_ID, ARCHIVED, MUC_USER})

_NAME = re.compile(rb"<[^\s/>]+")
_ATTRIBUTE = re.compile(rb"\s+([^\s=/>]+)\s*=\s*(?:'[^']*'|\"[^\"]*\")")

_Range = tuple[int, int]


def for_user(stanza: Stanza, hosts: Collection[str]) -> bytes:
    """Return the bytes of a stanza for the archive of a user.

    Only a server gives ids in the name of its users (XEP-0359 section 6), and ejabberd's copies
    have none, so each id that could be taken for one is removed. The real addresses of occupants
    are removed, because the room may show them to moderators only.
    """
    if stanza.payloads.isdisjoint(_CHECKED):
        return stanza.raw
    return _without(stanza.raw, _forged(stanza, hosts) + _occupants(stanza))


def for_room(stanza: Stanza, hosts: Collection[str]) -> bytes:
    """Return the bytes of a stanza for the archive of a room.

    They have no `to`, and nothing about occupants (XEP-0313 section 5.1.2).
    """
    occupants = [_place(stanza, x) for x in stanza.element.elements if (x.ns, x.name) == MUC_USER]
    return _without(stanza.raw, [*_addressee(stanza.raw), *_forged(stanza, hosts), *occupants])


def _forged(stanza: Stanza, hosts: Collection[str]) -> list[_Range]:
    return [
        _place(stanza, child)
        for child in stanza.element.elements
        if (child.ns, child.name) in (STANZA_ID, ARCHIVED)
        and not _is_by_another(child.get("by"), stanza, hosts)
    ]


def _is_by_another(by: str, stanza: Stanza, hosts: Collection[str]) -> bool:
    """Return whether no client could take `by` for one of our hosts or users.

    Clients prepare `by` in different ways: spaces, full-width letters and A-labels may disappear.
    So an id by an address that is not in plain letters counts as forged, unless that address is
    the bare JID of the sender.
    """
    if jids.domain(by.lower()).rstrip(".") in hosts:
        return False
    is_plain = _PLAIN.fullmatch(by) is not None and "xn--" not in by.lower()
    return is_plain or by == jids.bare(stanza.sender)


def _occupants(stanza: Stanza) -> list[_Range]:
    places = []
    for x in stanza.element.elements:
        raw = cut(stanza.raw, stanza.element, x)
        if (x.ns, x.name) == MUC_USER and b"item" in raw:
            start, _ = _place(stanza, x)
            items = (child for child in parse(raw, keep_depth=1).elements if child.name == "item")
            places += [(start + item.start, start + item.end) for item in items]
    return places


def _addressee(raw: bytes) -> Iterable[_Range]:
    """Yield the place of the attribute `to` of a stanza."""
    name = _NAME.match(raw)
    place = name.end() if name else 0
    while attribute := _ATTRIBUTE.match(raw, place):
        if attribute[1] == b"to":
            yield attribute.span()
        place = attribute.end()


def _place(stanza: Stanza, child: Element) -> _Range:
    return child.start - stanza.element.start, child.end - stanza.element.start


def _without(raw: bytes, places: Iterable[_Range]) -> bytes:
    pieces, behind = [], 0
    for start, end in sorted(places):
        pieces.append(raw[behind:start])
        behind = end
    pieces.append(raw[behind:])
    return b"".join(pieces)
