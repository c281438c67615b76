"""E-mail addresses, as a form takes them."""

from __future__ import annotations

import re

#: Characters of an address (RFC 5321 section 4.5.3.1).
EMAIL_MAX = 254

WRONG_EMAIL = "Enter a valid email address."
EMAIL_TAKEN = "user with this email already exists."

_EMAIL = re.compile(r"[^\s@<>\"]{1,64}@[^\W_](?:[\w.-]*[^\W_])?\.[^\W\d_]{2,63}")


def is_email(text: str) -> bool:
    """Return whether a text looks like an e-mail address; whether it exists is not asked."""
    return len(text) <= EMAIL_MAX and _EMAIL.fullmatch(text) is not None
