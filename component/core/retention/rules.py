"""Retention rules of users, known from memory and kept in the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from component.core.errors import Conflict
from component.core.store_errors import translated
from storage.interface import RulesStore
from storage.rows import Rule

#: All are known from memory: some tens of megabytes of them.
RULES_MAX = 100_000


class Rules:
    """The rules of all owners."""

    def __init__(self, store: RulesStore) -> None:
        self._store = store
        self._rules: defaultdict[str, dict[str, Rule]] = defaultdict(dict)

    async def load(self) -> None:
        """Read what was set before. Raises StorageError."""
        for rule in await self._store.list():
            self._rules[rule.owner][rule.peer] = rule

    def of(self, owner: str) -> Mapping[str, Rule]:
        """Return the rules of an owner by peer, "" for all of the archive."""
        return dict(self._rules.get(owner, {}))

    async def set(self, rule: Rule) -> None:
        """Keep a rule in the place of the one for the same owner and peer.

        Raises BadRequest, Conflict, Overloaded.
        """
        is_new = rule.peer not in self._rules.get(rule.owner, {})
        if is_new and sum(map(len, self._rules.values())) >= RULES_MAX:
            raise Conflict(f"There are {RULES_MAX} retention rules already: drop some before.")
        with translated():
            await self._store.set(rule)
        self._rules[rule.owner][rule.peer] = rule

    async def drop(self, owner: str, peer: str = "") -> None:
        """Go back to what is usual. Raises BadRequest, Overloaded."""
        with translated():
            await self._store.remove(owner, peer)
        self._rules[owner].pop(peer, None)
        if not self._rules[owner]:
            del self._rules[owner]

    def forget(self, owner: str) -> None:
        """Forget an owner that was erased."""
        self._rules.pop(owner, None)
