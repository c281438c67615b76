"""What is taken out of a stanza before it is stored: forged ids, and who is who in a room.

By its bytes: nothing else of a stanza changes, and one without any of it is stored as it came.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from component.core.xml import jids
from component.core.xml.document_parser import parse
from component.core.xml.stanza import NS_ARCHIVED, NS_MUC_USER, NS_STANZA_ID, Stanza
from component.core.xml.stream_parser import Element, cut

STANZA_ID = (NS_STANZA_ID, "stanza-id")
#: COMPAT: what stanza-id was called before XEP-0359.
ARCHIVED = (NS_ARCHIVED, "archived")
MUC_USER = (NS_MUC_USER, "x")

#: An address that is prepared alike by everybody.
_PLAIN = re.compile(r"(?:(?:[!-.0-?A-~]+@)?[-.:\[\]0-9A-Za-z]+(?:/[!-~]+)?)?")

_CHECKED = frozenset({STANZA_ID, ARCHIVED, MUC_USER})

_NAME = re.compile(rb"<[^\s/>]+")
_ATTRIBUTE = re.compile(rb"\s+([^\s=/>]+)\s*=\s*(?:'[^']*'|\"[^\"]*\")")

_Range = tuple[int, int]


def for_user(stanza: Stanza, hosts: Collection[str]) -> bytes:
    """Return a stanza as the archive of a user keeps it.

    Only a server gives ids in the name of its users (XEP-0359 section 6), and these servers give
    none that come by here, so whatever could be taken for one goes. Real addresses of occupants
    are for those whom the room tells them to.
    """
    if stanza.payloads.isdisjoint(_CHECKED):
        return stanza.raw
    return _without(stanza.raw, _forged(stanza, hosts) + _occupants(stanza))


def for_room(stanza: Stanza, hosts: Collection[str]) -> bytes:
    """Return a stanza as the archive of a room keeps it.

    Without `to`, and without what it says of occupants (XEP-0313 section 5.1.2).
    """
    told = [_place(stanza, x) for x in stanza.element.elements if (x.ns, x.name) == MUC_USER]
    return _without(stanza.raw, [*_addressee(stanza.raw), *_forged(stanza, hosts), *told])


def _forged(stanza: Stanza, hosts: Collection[str]) -> list[_Range]:
    return [
        _place(stanza, child)
        for child in stanza.element.elements
        if (child.ns, child.name) in (STANZA_ID, ARCHIVED)
        and not _is_by_another(child.get("by"), stanza, hosts)
    ]


def _is_by_another(by: str, stanza: Stanza, hosts: Collection[str]) -> bool:
    """Whether an id is by somebody whom no client could take for a user of ours, or for a host.

    Clients prepare `by` each in its own way: spaces, full-width letters and A-labels may go. So
    all that is not in plain letters goes, unless it is by the room or user that sent the message.
    """
    if jids.domain(by.lower()).rstrip(".") in hosts:
        return False
    is_plain = _PLAIN.fullmatch(by) is not None and "xn--" not in by.lower()
    return is_plain or by == jids.bare(stanza.sender)


def _occupants(stanza: Stanza) -> list[_Range]:
    found = []
    for x in stanza.element.elements:
        raw = cut(stanza.raw, stanza.element, x)
        if (x.ns, x.name) == MUC_USER and b"item" in raw:
            start, _ = _place(stanza, x)
            items = (child for child in parse(raw, keep_depth=1).elements if child.name == "item")
            found += [(start + item.start, start + item.end) for item in items]
    return found


def _addressee(raw: bytes) -> Iterable[_Range]:
    """Return where the attribute `to` of a stanza is."""
    name = _NAME.match(raw)
    place = name.end() if name else 0
    while attribute := _ATTRIBUTE.match(raw, place):
        if attribute[1] == b"to":
            yield attribute.span()
        place = attribute.end()


def _place(stanza: Stanza, child: Element) -> _Range:
    return child.start - stanza.element.start, child.end - stanza.element.start


def _without(raw: bytes, places: Iterable[_Range]) -> bytes:
    kept, behind = [], 0
    for start, end in sorted(places):
        kept.append(raw[behind:start])
        behind = end
    kept.append(raw[behind:])
    return b"".join(kept)
