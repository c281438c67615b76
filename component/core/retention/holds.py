"""Legal holds: while there is one, nothing of an archive is taken away, by nobody."""

from __future__ import annotations

from component.core.errors import Conflict, Refused
from component.core.store_errors import translated
from component.core.xml import jids
from storage.interface import HoldsStore
from storage.rows import Hold

#: All are known from memory, and asked for with each message that is retracted.
HOLDS_MAX = 10_000


class Holds:
    """All holds, known from memory and kept in the store."""

    def __init__(self, store: HoldsStore) -> None:
        self._store = store
        self._holds: dict[str, Hold] = {}

    async def load(self) -> None:
        """Read what was ordered before. Raises StorageError."""
        self._holds = {hold.subject: hold for hold in await self._store.list()}

    def all(self) -> tuple[Hold, ...]:
        """Return every hold, by subject."""
        return tuple(self._holds[subject] for subject in sorted(self._holds))

    def is_held(self, owner: str) -> bool:
        """Whether nothing of an archive may go: a hold is on its owner, its domain or one above.

        The rooms of a virtual host are on a domain below it.
        """
        if owner in self._holds:
            return True
        labels = jids.domain(owner).split(".")
        return any(".".join(labels[place:]) in self._holds for place in range(len(labels)))

    def refuse_if_held(self, owner: str) -> None:
        """Return if something of an archive may go. Raises Conflict."""
        if self.is_held(owner):
            raise Conflict("There is a legal hold on this archive: nothing of it may be removed.")

    async def set(self, hold: Hold) -> None:
        """Order a hold.

        Raises BadRequest, Overloaded: even then it is in force, until this program ends. Raises
        Conflict where there are too many.
        """
        if hold.subject not in self._holds and len(self._holds) >= HOLDS_MAX:
            raise Conflict(
                f"There are {HOLDS_MAX} legal holds already: hold a whole host instead."
            )
        # In memory first: behind the return nothing more goes, for the store writes in turn.
        self._holds[hold.subject] = hold
        try:
            with translated():
                await self._store.set(hold)
        except Refused as refused:
            why = "The hold is in force, but not kept: order it again."
            raise type(refused)(why) from refused

    async def release(self, subject: str) -> None:
        """Release a hold; it is fine when there is none. Raises BadRequest, Overloaded."""
        with translated():
            await self._store.remove(subject)
        self._holds.pop(subject, None)
