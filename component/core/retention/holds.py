"""Legal holds: nothing of an archive under a hold is deleted."""

from __future__ import annotations

from component.core.errors import Conflict, Refused
from component.core.store_errors import HELD, translated
from component.core.xml import jids
from storage.interface import HoldsStore
from storage.rows import Hold

#: All holds are in memory: each retraction asks for them.
HOLDS_MAX = 10_000


class Holds:
    """All holds, in memory and in the store."""

    def __init__(self, store: HoldsStore, *, limit: int = HOLDS_MAX) -> None:
        """`limit` is the greatest number of holds."""
        self._store = store
        self._limit = limit
        self._holds: dict[str, Hold] = {}
        self._unstored: dict[str, Hold] = {}  # holds that the store did not take
        self._changes = 0

    async def load(self) -> None:
        """Read the holds from the store. Raises StorageError."""
        changes = None
        while changes != self._changes:
            changes = self._changes
            holds = {hold.subject: hold for hold in await self._store.list()}
        self._holds = holds | self._unstored

    def all(self) -> tuple[Hold, ...]:
        """Return all holds, ordered by subject."""
        return tuple(self._holds[subject] for subject in sorted(self._holds))

    def is_held(self, owner: str) -> bool:
        """Return whether a hold is on the owner, on its domain or on a parent of that domain.

        A room service is usually a subdomain of a virtual host, whose hold covers its rooms.
        """
        if owner in self._holds:
            return True
        labels = jids.domain(owner).split(".")
        return any(".".join(labels[place:]) in self._holds for place in range(len(labels)))

    def refuse_if_held(self, owner: str) -> None:
        """Raise Conflict if there is a legal hold on an archive."""
        if self.is_held(owner):
            raise Conflict(HELD)

    async def set(self, hold: Hold) -> None:
        """Set a hold.

        Raises Conflict if there are too many, BadRequest, Overloaded. After Overloaded the hold is
        in force, but only until this program ends.
        """
        if hold.subject not in self._holds and len(self._holds) >= self._limit:
            raise Conflict(
                f"There are {self._limit} legal holds already: set one on a whole host instead."
            )
        # Memory first: the store writes in order, so nothing is deleted after this method returns.
        self._changes += 1
        self._holds[hold.subject] = hold
        try:
            with translated():
                await self._store.set(hold)
        except Refused as refused:
            self._unstored[hold.subject] = hold
            message = "The hold is in force, but not stored: set it again."
            raise type(refused)(message) from refused
        self._unstored.pop(hold.subject, None)
        # The holds may have been loaded meanwhile.
        self._changes += 1
        self._holds[hold.subject] = hold

    async def release(self, subject: str) -> None:
        """Release a hold if there is one. Raises BadRequest, Overloaded."""
        with translated():
            await self._store.remove(subject)
        self._changes += 1
        self._unstored.pop(subject, None)
        self._holds.pop(subject, None)
