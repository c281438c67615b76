"""SASLprep (RFC 4013): the form in which passwords are compared.

This is the only SASLprep of the program. It agrees with that of slixmpp, which logs in to
ejabberd: unassigned code points are allowed as in queries (RFC 3454 section 7), so that a password
may have characters newer than Unicode 3.2.
"""

from __future__ import annotations

import stringprep
import unicodedata

#: RFC 4013 section 2.3.
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str) -> str:
    """Return prepared text, which may be empty. Raises ValueError, with a text for the user."""
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if any(is_prohibited(character) for character in prepared for is_prohibited in _PROHIBITED):
        raise ValueError("has characters that SASLprep forbids, such as control characters")
    if not _is_bidirectional(prepared):
        raise ValueError("mixes text that is written from right to left with other text")
    return prepared


def _is_bidirectional(text: str) -> bool:
    """Return whether text meets the rules for both directions of writing (RFC 3454 section 6)."""
    if not any(map(stringprep.in_table_d1, text)):
        return True
    return (
        stringprep.in_table_d1(text[0])
        and stringprep.in_table_d1(text[-1])
        and not any(map(stringprep.in_table_d2, text))
    )
