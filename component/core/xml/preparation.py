"""Addresses as archives have them: prepared as ejabberd does it (RFC 6122), or as they came.

ejabberd passes addresses on as they were typed, and among them some that it has prepared: those of
rooms and of contacts. Nothing tells the ones from the others. So an address is only prepared here
where to prepare it once more changes nothing, neither here nor there. Any other is taken byte for
byte: then one user may have two names here, but never two users one.
"""

from __future__ import annotations

import stringprep
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from itertools import chain

#: stringprep is about this version of Unicode (RFC 3454 section 1).
_UNICODE = unicodedata.ucd_3_2_0

#: ejabberd (23.01 to 26.07) has no folding for this one, unlike RFC 3454, table B.2. What it makes
#: of it would change if it were prepared again.
_UNFOLDED = "\u33c6"
_UNALIKE = (_UNFOLDED, _UNICODE.normalize("NFKC", _UNFOLDED))

#: Addresses that are remembered, of 3 KiB at most: the same ones come again and again.
REMEMBERED = 2000


@lru_cache(REMEMBERED)
def prepared(address: str) -> str:
    """Return an address as archives have it. To prepare it again changes nothing."""
    bare, slash, resource = address.partition("/")
    local, at, domain = bare.rpartition("@")
    return f"{_part(local, _fold)}{at}{_part(domain, _fold)}{slash}{_part(resource, str)}"


def _part(part: str, fold: Callable[[str], str]) -> str:
    """Return a part of an address prepared, or as it is where servers could differ about it."""
    if part.isascii():
        return part if fold is str else part.lower()
    mapped = "".join(fold(each) for each in part if not stringprep.in_table_b1(each))
    found = _UNICODE.normalize("NFKC", mapped)
    return found if all(map(_is_alike, (part, mapped, found))) else part


def _is_alike(part: str) -> bool:
    """Whether servers prepare a part alike.

    ejabberd does not sort combining marks far enough (Unicode, section 3.11), so they have to be
    in their order.
    """
    each = (_UNICODE.normalize("NFKD", one) for one in part)
    return not any(one in part for one in _UNALIKE) and (
        list(chain.from_iterable(each)) == list(_UNICODE.normalize("NFKD", part))
    )


def _fold(character: str) -> str:
    """Return a character in lower case (RFC 3454, table B.2), as of the Unicode that is about."""
    folded = stringprep.map_table_b2(character)
    return character if any(map(stringprep.in_table_a1, folded)) else folded
