"""Characters that XML 1.0 cannot have (section 2.2); texts from HTTP may have them."""

from __future__ import annotations

import re

_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def can_be_shown(text: str) -> bool:
    """Whether XML allows all characters of a text: any other ends the stream."""
    return _NO_XML.search(text) is None


def shown(text: str) -> str:
    """Return a text that XML can hold: the other characters are replaced."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
