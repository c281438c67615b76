"""Verifiers of passwords by Argon2id (RFC 9106), as the string that everybody writes."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import Type

KIND = "argon2id"
PREFIX = "$argon2id$"

#: 19 MiB, twice over, on one core: a whole company logs in again within minutes, and who has
#: stolen the store needs as much for each guess.
_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1, type=Type.ID)


def make(password: str) -> str:
    """Return a verifier with a salt of its own."""
    return _hasher.hash(password)


def matches(verifier: str, password: str) -> bool:
    """Whether a verifier was made of this password. Raises ValueError if it is no verifier."""
    try:
        return _hasher.verify(verifier, password)
    except VerifyMismatchError:
        return False
    except Exception as error:
        raise ValueError("not a verifier of Argon2id") from error


def is_current(verifier: str) -> bool:
    """Whether a verifier takes as much to be checked as a new one would."""
    return not _hasher.check_needs_rehash(verifier)
