"""Prepare addresses for archives as ejabberd prepares them (RFC 6122), or leave them unchanged.

ejabberd passes on some addresses as users typed them and prepares others (those of rooms and
contacts), and does not mark the difference. So this module prepares an address only if a second
preparation, here or in ejabberd, would change nothing. Any other address stays unchanged: then one
user may have two names in the archives, but two users never share a name.
"""

from __future__ import annotations

import stringprep
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from itertools import chain

#: stringprep is defined for this version of Unicode (RFC 3454 section 1).
_UNICODE = unicodedata.ucd_3_2_0

#: ejabberd (23.01 to 26.07) does not fold this character as RFC 3454, table B.2, does: its result
#: would change if it were prepared again.
_UNFOLDED = "\u33c6"
_AMBIGUOUS = (_UNFOLDED, _UNICODE.normalize("NFKC", _UNFOLDED))

#: The number of addresses in the cache; each has at most 3 KiB.
CACHE_SIZE = 2000


@lru_cache(CACHE_SIZE)
def prepared(address: str) -> str:
    """Return an address as stored in archives. Preparing the result again changes nothing."""
    bare, slash, resource = address.partition("/")
    local, at, domain = bare.rpartition("@")
    return f"{_part(local, _fold)}{at}{_part(domain, _fold)}{slash}{_part(resource, str)}"


def _part(part: str, fold: Callable[[str], str]) -> str:
    """Return a prepared part of an address, or the part itself if servers may differ about it."""
    if part.isascii():
        return part if fold is str else part.lower()
    mapped = "".join(
        fold(character) for character in part if not stringprep.in_table_b1(character)
    )
    normalized = _UNICODE.normalize("NFKC", mapped)
    is_safe = all(map(_is_unambiguous, (part, mapped, normalized)))
    return normalized if is_safe else part


def _is_unambiguous(part: str) -> bool:
    """Return whether all servers prepare a part in the same way.

    ejabberd does not reorder all combining marks (Unicode, section 3.11), so they must already be
    in canonical order.
    """
    decomposed = (_UNICODE.normalize("NFKD", character) for character in part)
    return not any(text in part for text in _AMBIGUOUS) and (
        list(chain.from_iterable(decomposed)) == list(_UNICODE.normalize("NFKD", part))
    )


def _fold(character: str) -> str:
    """Return a character in lower case (RFC 3454, table B.2) if Unicode 3.2 has the result."""
    folded = stringprep.map_table_b2(character)
    return character if any(map(stringprep.in_table_a1, folded)) else folded
