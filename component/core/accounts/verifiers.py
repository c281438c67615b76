"""Password verifiers: strings that have the format, the parameters and the hash of a password.

`$argon2id$...` is the encoded form of Argon2id (RFC 9106). SCRAM (RFC 5802, RFC 7677) is written
as in RFC 5803: `SCRAM-SHA-256$ITERATIONS:SALT$STORED-KEY:SERVER-KEY`. XMPP servers keep the same
four values, so such verifiers can be moved from one server to another.
"""

from __future__ import annotations

import binascii
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import new, pbkdf2_hmac

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import Type

ARGON2ID = "argon2id"

#: The SCRAM formats, each with the names of its mechanism and of its hash.
SCRAM = {
    "scram-sha-1": ("SCRAM-SHA-1", "sha1"),
    "scram-sha-256": ("SCRAM-SHA-256", "sha256"),
    "scram-sha-512": ("SCRAM-SHA-512", "sha512"),
}

#: Iterations of a new SCRAM verifier. A client repeats them at each SCRAM login.
ITERATIONS = 100_000

#: A verifier with more iterations is refused, because each check would run them.
MAX_ITERATIONS = 10_000_000

SALT_BYTES = 16

_ARGON2ID_PREFIX = "$argon2id$"

#: 19 MiB and two passes on one core: all users of a company can log in again within minutes, and a
#: thief of the store needs as much for each guess.
FULL_COST = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1, type=Type.ID)

#: Makes and checks verifiers of Argon2id. Tests whose subject is not this cost set a cheaper one.
hasher = FULL_COST

_HASHES = dict(SCRAM.values())
_SCRAM_VERIFIER = re.compile(
    r"(SCRAM-SHA-\d+)\$(\d{1,8}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ScramVerifier:
    """The parts of a SCRAM verifier that a check needs."""

    mechanism: str
    iterations: int
    salt: bytes
    stored_key: bytes


def make(format_: str, password: str, iterations: int = ITERATIONS) -> str:
    """Return a new verifier with a random salt; `iterations` are those of SCRAM."""
    if format_ == ARGON2ID:
        return hasher.hash(password)
    mechanism, hash_ = SCRAM[format_]
    salt = secrets.token_bytes(SALT_BYTES)
    keys = _scram_keys(hash_, password, salt, iterations)
    salt64, stored64, server64 = (b64encode(part).decode() for part in (salt, *keys))
    return f"{mechanism}${iterations}:{salt64}${stored64}:{server64}"


def matches(verifier: str, password: str) -> bool:
    """Return whether a verifier was made from a password. Raises ValueError if it is invalid."""
    if verifier.startswith(_ARGON2ID_PREFIX):
        try:
            return hasher.verify(verifier, password)
        except VerifyMismatchError:
            return False
        except Exception as error:
            raise ValueError("not a verifier of Argon2id") from error
    scram = _parse_scram(verifier)
    stored_key, _ = _scram_keys(_HASHES[scram.mechanism], password, scram.salt, scram.iterations)
    return hmac.compare_digest(stored_key, scram.stored_key)


def is_current(verifier: str, format_: str) -> bool:
    """Return whether a verifier has this format, and takes as long to check as a new one.

    Raises ValueError if it is no verifier.
    """
    if verifier.startswith(_ARGON2ID_PREFIX):
        return format_ == ARGON2ID and not hasher.check_needs_rehash(verifier)
    if format_ == ARGON2ID:
        return False
    scram = _parse_scram(verifier)
    return scram.mechanism == SCRAM[format_][0] and scram.iterations == ITERATIONS


def _parse_scram(verifier: str) -> _ScramVerifier:
    match = _SCRAM_VERIFIER.fullmatch(verifier)
    try:
        if match is None or match[1] not in _HASHES:
            raise ValueError("not a verifier of SCRAM")
        salt, stored_key, _ = (b64decode(part, validate=True) for part in match.groups()[2:])
    except binascii.Error as error:
        raise ValueError("not a verifier of SCRAM") from error
    iterations = int(match[2])
    if not 1 <= iterations <= MAX_ITERATIONS:
        raise ValueError("not a verifier of SCRAM")
    return _ScramVerifier(
        mechanism=match[1], iterations=iterations, salt=salt, stored_key=stored_key
    )


def _scram_keys(hash_: str, password: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    """Return StoredKey and ServerKey (RFC 5802 section 3)."""
    salted = pbkdf2_hmac(hash_, password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", hash_)
    return new(hash_, client_key).digest(), hmac.digest(salted, b"Server Key", hash_)
