"""Refresh tokens: opaque strings, of which the store has hashes alone.

A token is `SELECTOR.VERIFIER`. The selector stays the same for a whole sign-in, and its hash is
the id of the sign-in. Each use replaces the verifier: the next one is an HMAC of the old one and
of a random salt. So a client that lost the answer gets the same next token again, from any process
and after a restart, and nobody can compute a token from the store.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from component.core.tokens.access_tokens import base64url

SELECTOR_BYTES = 16
VERIFIER_BYTES = 32
SALT_BYTES = 16

#: Bytes of the hash of a selector that make the id of a sign-in.
ID_BYTES = 12

_TOKEN = re.compile(r"(?P<selector>[\w-]{22})\.(?P<verifier>[\w-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token in its two parts."""

    selector: str = field(repr=False)
    verifier: str = field(repr=False)

    @classmethod
    def generate(cls) -> RefreshToken:
        """Return the first token of a new sign-in."""
        return cls(secrets.token_urlsafe(SELECTOR_BYTES), secrets.token_urlsafe(VERIFIER_BYTES))

    @classmethod
    def parse(cls, text: str) -> RefreshToken | None:
        """Return the token that `text` is, None if it cannot be one."""
        match = _TOKEN.fullmatch(text)
        return None if match is None else cls(match["selector"], match["verifier"])

    def __str__(self) -> str:
        return f"{self.selector}.{self.verifier}"

    @property
    def sign_in(self) -> str:
        """The id of the sign-in that it belongs to, which is no secret."""
        return base64url(hashlib.sha256(self.selector.encode()).digest()[:ID_BYTES])

    @property
    def hash(self) -> bytes:
        """The hash of the verifier: the token is random, so one round of SHA-256 is enough."""
        return hashlib.sha256(self.verifier.encode()).digest()

    def next(self, salt: bytes) -> RefreshToken:
        """Return the token that replaces this one."""
        verifier = hmac.digest(self.verifier.encode(), salt, "sha256")
        return RefreshToken(self.selector, base64url(verifier))


def new_salt() -> bytes:
    """Return a random salt for the next token."""
    return secrets.token_bytes(SALT_BYTES)
