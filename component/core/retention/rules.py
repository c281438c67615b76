"""Retention rules for single archives, in memory and in the store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from component.core.errors import Conflict
from component.core.store_errors import translated
from storage.interface import RulesStore
from storage.rows import Rule

#: The maximum number of rules. All are in memory, where this number takes tens of megabytes.
RULES_MAX = 100_000


class Rules:
    """The rules of all owners."""

    def __init__(self, store: RulesStore, *, limit: int = RULES_MAX) -> None:
        """`limit` is the greatest number of rules."""
        self._store = store
        self._limit = limit
        self._rules: defaultdict[str, dict[str, Rule]] = defaultdict(dict)
        self._changes = 0

    async def load(self) -> None:
        """Read the rules from the store. Raises StorageError."""
        changes = None
        while changes != self._changes:
            changes = self._changes
            rules: defaultdict[str, dict[str, Rule]] = defaultdict(dict)
            for rule in await self._store.list():
                rules[rule.owner][rule.peer] = rule
        self._rules = rules

    def of(self, owner: str) -> Mapping[str, Rule]:
        """Return the rules of an owner by peer; the key of the whole archive is ""."""
        return dict(self._rules.get(owner, {}))

    async def set(self, rule: Rule) -> None:
        """Set a rule; it replaces the one for the same owner and peer.

        Raises BadRequest, Conflict, Overloaded.
        """
        is_new = rule.peer not in self._rules.get(rule.owner, {})
        if is_new and sum(map(len, self._rules.values())) >= self._limit:
            raise Conflict(f"There are {self._limit} retention rules already: remove some first.")
        with translated():
            await self._store.set(rule)
        self._changes += 1
        self._rules[rule.owner][rule.peer] = rule

    async def remove(self, owner: str, peer: str = "") -> None:
        """Remove a rule, so that the defaults apply. Raises BadRequest, Overloaded."""
        with translated():
            await self._store.remove(owner, peer)
        self._changes += 1
        self._rules[owner].pop(peer, None)
        if not self._rules[owner]:
            del self._rules[owner]

    def discard(self, owner: str) -> None:
        """Remove the rules of an owner from memory; the store has erased them."""
        self._changes += 1
        self._rules.pop(owner, None)
