"""Passwords: limits on them, and making and checking verifiers beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from typing import TypeVar

from component.core.accounts import verifiers
from component.core.accounts.saslprep import saslprep
from component.core.errors import BadRequest

Result = TypeVar("Result")

#: A longer password would add work and no security.
MAX_BYTES = 1024

_TOO_LONG = f"The password is longer than {MAX_BYTES} bytes."

#: Passwords hashed at once: each uses one core, and Argon2id takes 19 MiB.
WORKERS = 2


class Passwords:
    """Makes and checks verifiers in threads of its own."""

    def __init__(self, format_: str = verifiers.ARGON2ID) -> None:
        """`format_` is that of new verifiers: `verifiers.ARGON2ID`, or a key of `SCRAM`."""
        self._format = format_
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="passwords")
        #: No password matches this verifier, and finding that out takes as long as for any other.
        self.decoy = verifiers.make(format_, token_hex())

    async def verifier(self, password: str) -> str:
        """Return a new verifier of a password. Raises BadRequest."""
        prepared = prepare(password)
        return await self._run(lambda: verifiers.make(self._format, prepared))

    async def matches(self, verifier: str, password: str) -> bool:
        """Return whether a verifier fits a password. Raises ValueError if it is invalid."""
        try:
            prepared = prepare(password)
        except BadRequest:
            return False
        return await self._run(lambda: verifiers.matches(verifier, prepared))

    def is_current(self, verifier: str) -> bool:
        """Return whether a new verifier has the same format, and takes as long to check."""
        return verifiers.is_current(verifier, self._format)

    async def _run(self, work: Callable[[], Result]) -> Result:
        # Work that is cancelled before a thread is free is never begun.
        return await asyncio.get_running_loop().run_in_executor(self._workers, work)


def prepare(password: str) -> str:
    """Return a password in the form in which servers compare it. Raises BadRequest."""
    if len(password) > MAX_BYTES:
        raise BadRequest(_TOO_LONG)
    try:
        prepared = saslprep(password)
    except ValueError as error:
        raise BadRequest(f"The password {error}.") from error
    if not prepared:
        raise BadRequest("The password is empty.")
    if len(prepared.encode()) > MAX_BYTES:
        raise BadRequest(_TOO_LONG)
    return prepared
