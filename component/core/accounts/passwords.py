"""Passwords are kept as verifiers: strings that say by themselves how they are checked.

`$argon2id$...` (RFC 9106), or `SCRAM-SHA-256$ITERATIONS:SALT$STORED-KEY:SERVER-KEY` (RFC 5803),
with SHA-1 and SHA-512 too. All are understood, whatever the kind is that new ones are kept as.
"""

from __future__ import annotations

import asyncio
import stringprep
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from typing import TypeVar

from component.core.accounts import argon2id, scram
from component.core.errors import BadRequest

Result = TypeVar("Result")

#: Longer ones add nothing but work.
MAX_BYTES = 1024

_TOO_LONG = f"The password is longer than {MAX_BYTES} bytes."

#: Passwords that are worked on at once: each keeps a core busy, and takes 19 MiB (argon2id).
AT_ONCE = 2

_PROHIBITED = (
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


class Passwords:
    """Makes and checks verifiers, without keeping others waiting."""

    def __init__(self, kind: str = argon2id.KIND) -> None:
        """`kind` is that of new verifiers: argon2id, scram-sha-1, scram-sha-256, scram-sha-512."""
        self._kind = kind
        self._workers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
        #: Fits nobody's password, and takes as long as others to find that out.
        self.decoy = _made(kind, token_hex())

    async def verifier(self, password: str) -> str:
        """Return what a password is checked against from now on. Raises BadRequest."""
        prepared = prepare(password)
        return await self._work(lambda: _made(self._kind, prepared))

    async def matches(self, verifier: str, password: str) -> bool:
        """Whether a verifier was made of this password. Raises ValueError if it is no verifier."""
        try:
            prepared = prepare(password)
        except BadRequest:
            return False
        return await self._work(lambda: _matches(verifier, prepared))

    def is_current(self, verifier: str) -> bool:
        """Whether a new verifier would be of the same kind, and take as long to be checked."""
        if verifier.startswith(argon2id.PREFIX):
            return self._kind == argon2id.KIND and argon2id.is_current(verifier)
        return scram.is_current(verifier, self._kind)

    async def _work(self, work: Callable[[], Result]) -> Result:
        # What nobody waits for any more is not begun.
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)


def prepare(password: str) -> str:
    """Return a password as servers compare it (SASLprep, RFC 4013). Raises BadRequest.

    Characters younger than SASLprep are taken, and both directions of writing may be mixed.
    """
    if len(password) > MAX_BYTES:
        raise BadRequest(_TOO_LONG)
    mapped = "".join(
        " " if stringprep.in_table_c12(each) else each
        for each in password
        if not stringprep.in_table_b1(each)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    if not prepared:
        raise BadRequest("The password is empty.")
    if any(is_in(each) for each in prepared for is_in in _PROHIBITED):
        raise BadRequest("The password has characters that nobody can type.")
    if len(prepared.encode()) > MAX_BYTES:
        raise BadRequest(_TOO_LONG)
    return prepared


def _made(kind: str, prepared: str) -> str:
    return argon2id.make(prepared) if kind == argon2id.KIND else scram.make(kind, prepared)


def _matches(verifier: str, prepared: str) -> bool:
    if verifier.startswith(argon2id.PREFIX):
        return argon2id.matches(verifier, prepared)
    return scram.matches(verifier, prepared)
