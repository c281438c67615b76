"""Verifiers of passwords as SCRAM keeps them (RFC 5802, RFC 7677), written as in RFC 5803.

XMPP servers keep the same four values, so such verifiers can move from one to the other.
"""

from __future__ import annotations

import binascii
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import new, pbkdf2_hmac

#: By the kind that is configured: the name of the mechanism, and of its hash.
KINDS = {
    "scram-sha-1": ("SCRAM-SHA-1", "sha1"),
    "scram-sha-256": ("SCRAM-SHA-256", "sha256"),
    "scram-sha-512": ("SCRAM-SHA-512", "sha512"),
}

#: Of new verifiers. Clients count as far at each login where a server uses them for SCRAM.
ITERATIONS = 100_000

#: Nobody has more, and each check counts up to it.
MAX_ITERATIONS = 10_000_000

SALT_BYTES = 16

_HASHES = dict(KINDS.values())
_VERIFIER = re.compile(
    r"(SCRAM-SHA-\d+)\$(\d{1,8}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verifier:
    """One of them, taken apart."""

    mechanism: str
    iterations: int
    salt: bytes
    stored_key: bytes


def make(kind: str, password: str, iterations: int = ITERATIONS) -> str:
    """Return a verifier of a kind with a salt of its own."""
    mechanism, hash_ = KINDS[kind]
    salt = secrets.token_bytes(SALT_BYTES)
    stored_key, server_key = _keys(hash_, password, salt, iterations)
    shown_salt, *shown = (b64encode(part).decode() for part in (salt, stored_key, server_key))
    return f"{mechanism}${iterations}:{shown_salt}${':'.join(shown)}"


def matches(verifier: str, password: str) -> bool:
    """Whether a verifier was made of this password. Raises ValueError if it is no verifier."""
    known = _read(verifier)
    stored_key, _ = _keys(_HASHES[known.mechanism], password, known.salt, known.iterations)
    return hmac.compare_digest(stored_key, known.stored_key)


def is_current(verifier: str, kind: str) -> bool:
    """Whether a verifier is of this kind, and takes as much to be checked as a new one would."""
    if kind not in KINDS:
        return False
    known = _read(verifier)
    return known.mechanism == KINDS[kind][0] and known.iterations == ITERATIONS


def _read(verifier: str) -> _Verifier:
    found = _VERIFIER.fullmatch(verifier)
    try:
        if found is None or found[1] not in _HASHES:
            raise ValueError("not a verifier of SCRAM")
        salt, stored_key, _ = (b64decode(part, validate=True) for part in found.groups()[2:])
    except binascii.Error as error:
        raise ValueError("not a verifier of SCRAM") from error
    iterations = int(found[2])
    if not 1 <= iterations <= MAX_ITERATIONS:
        raise ValueError("not a verifier of SCRAM")
    return _Verifier(mechanism=found[1], iterations=iterations, salt=salt, stored_key=stored_key)


def _keys(hash_: str, password: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """Return StoredKey and ServerKey (RFC 5802 section 3)."""
    salted = pbkdf2_hmac(hash_, password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", hash_)
    return new(hash_, client_key).digest(), hmac.digest(salted, b"Server Key", hash_)
