"""Archiving preferences of users, within the rules of operators (XEP-0441 section 2).

If several lists name a message, "never" wins, in the lists of its owner and in those of operators:
the author of such a list expects privacy.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from cachetools import LRUCache

from component.core.errors import BadRequest, NotImplementedHere, TooLarge
from component.core.hosts import Hosts
from component.core.rosters.protocol import Rosters
from component.core.store_errors import translated
from component.core.xml import jids
from component.core.xml.jids import Jids
from storage.errors import StorageError
from storage.interface import PreferencesStore
from storage.rows import PreferencesRow

log = logging.getLogger(__name__)

ALWAYS, NEVER, ROSTER = "always", "never", "roster"
DEFAULTS = (ALWAYS, NEVER, ROSTER)

#: What each default says about a message that no list names; None: the roster decides.
_OF_DEFAULT = {ALWAYS: True, NEVER: False, ROSTER: None}

#: The greatest number of addresses in a list.
LIST_MAX = 1000

#: The size of the cache of preferences, in characters and their overhead.
REMEMBERED_SIZE = 32 * 1024 * 1024

#: The size of preferences without addresses, and that of an address beside its characters.
_ROW_SIZE, _ADDRESS_SIZE = 512, 128

#: The number of preferences read at once when the program starts: the largest have megabytes.
LOAD_PAGE_SIZE = 20

#: The maximum number of users whose preferences have to be read again.
OUTDATED_MAX = 10_000

#: The pause before the store is read again after a failure.
RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRules:
    """The operators' rules for the users of a virtual host."""

    default: str = ALWAYS  #: for users without preferences
    #: bare JIDs and domains: messages from and to them are never archived
    never: frozenset[str] = frozenset()

    def forbids(self, peer: str) -> bool:
        """Return whether messages from and to this address are never archived."""
        if not self.never:
            return False
        bare = jids.bare(peer)
        return bare in self.never or jids.domain(bare) in self.never


@dataclass(frozen=True, slots=True)
class EffectivePreferences:
    """The preferences that apply to a user, within the operators' rules; with fast look-ups."""

    rules: HostRules
    preferences: PreferencesRow | None = None  #: None: the user has none
    always: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()

    @property
    def default(self) -> str:
        """The rule for messages that no list names."""
        return self.preferences.default if self.preferences else self.rules.default

    def wants(self, owner: str, peer: str, resource: str) -> bool | None:
        """Return whether the user wants messages with this peer, None if the roster decides.

        `peer` is a bare JID.
        """
        if not (self.rules.never or self.always or self.never):
            return _OF_DEFAULT[self.default]
        if self.rules.forbids(peer) or self.rules.forbids(owner):
            return False
        names = {peer, f"{peer}/{resource}"}
        if not self.never.isdisjoint(names):
            return False
        if not self.always.isdisjoint(names):
            return True
        return _OF_DEFAULT[self.default]

    def visible_to(self, owner: str) -> PreferencesRow:
        """Return the preferences without the addresses that operators forbid."""
        if self.preferences is None:
            return PreferencesRow(owner=owner, default=self.rules.default)
        allowed = tuple(peer for peer in self.preferences.always if not self.rules.forbids(peer))
        return replace(self.preferences, always=allowed)


#: Archives of others than our users, such as rooms, have no preferences.
_EVERYTHING = EffectivePreferences(HostRules())


class _Memory(LRUCache[str, EffectivePreferences]):
    """A cache of effective preferences by owner; the least recently used leave it first."""

    def __init__(self, size: int) -> None:
        super().__init__(size, getsizeof=_size)
        self.is_complete = False  #: owners that are not in it have no preferences

    def popitem(self) -> tuple[str, EffectivePreferences]:
        """Remove the least recently used preferences to make room."""
        self.is_complete = False
        return super().popitem()


def _size(applied: EffectivePreferences) -> int:
    """Return the size of preferences in the cache."""
    return _ROW_SIZE + sum(_ADDRESS_SIZE + len(jid) for jid in (*applied.always, *applied.never))


class Preferences:
    """The preferences of all users of some virtual hosts."""

    def __init__(
        self,
        store: PreferencesStore,
        addresses: Jids,
        rosters: Rosters,
        hosts: Mapping[str, HostRules],
        *,
        size: int = REMEMBERED_SIZE,
        load_page_size: int = LOAD_PAGE_SIZE,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """`size` is that of the cache, in the unit of REMEMBERED_SIZE."""
        self._store = store
        self._addresses = addresses
        self._rosters = rosters
        self._hosts = Hosts(hosts)
        self._defaults = {host: EffectivePreferences(rules) for host, rules in hosts.items()}
        self._memory = _Memory(size)
        self._load_page_size = load_page_size
        self._retry_seconds = retry_seconds
        self._changes = 0
        self._outdated: set[str] = set()  #: owners whose preferences another process has changed
        self._setting = asyncio.Lock()

    async def load(self) -> None:
        """Read the preferences of all users into the cache. Raises StorageError."""
        self._memory.is_complete, after = True, ""
        while page := await self._store.list(after=after, limit=self._load_page_size):
            for preferences in page:
                self._remember(preferences.owner, preferences)
            if not self._memory.is_complete:
                return
            after = page[-1].owner

    async def of(self, owner: str) -> PreferencesRow:
        """Return the preferences of a user, or the defaults of its host. Raises Overloaded."""
        with translated():
            return (await self._read(owner)).visible_to(owner)

    def can_use(self, owner: str, default: str) -> bool:
        """Return whether a user can have this default: "roster" needs a readable roster."""
        return default != ROSTER or self._rosters.are_readable(jids.domain(owner))

    async def set(self, owner: str, preferences: PreferencesRow) -> PreferencesRow:
        """Store the preferences of a user durably and return those that apply now.

        Raises BadRequest, TooLarge, NotImplementedHere, Overloaded.
        """
        row = PreferencesRow(
            owner=owner,
            default=self._default(owner, preferences.default),
            always=self._prepared(preferences.always),
            never=self._prepared(preferences.never),
        )
        # One change at a time, so that the cache holds the preferences that are stored.
        async with self._setting:
            changes = self._changes
            with translated():
                await self._store.set(row)
            is_latest = changes == self._changes
            self.forget(owner)
            applied = self._remember(owner, row)
            if not is_latest:
                # Another process may have set them since.
                self.changed_elsewhere(owner)
        return applied.visible_to(owner)

    def forget(self, owner: str) -> None:
        """Remove the preferences of a user from the cache, because the archive was erased."""
        self._changes += 1
        self._memory.pop(owner, None)

    def changed_elsewhere(self, owner: str) -> None:
        """Read the preferences of a user again before they are used."""
        self._changes += 1
        self._outdated.add(owner)
        if len(self._outdated) > OUTDATED_MAX:
            self.missed()

    def replace_rules(self, hosts: Mapping[str, HostRules]) -> None:
        """Apply other rules of operators from now on, for the same virtual hosts."""
        self._defaults = {host: EffectivePreferences(rules) for host, rules in hosts.items()}
        self.missed()

    def missed(self) -> None:
        """Read all preferences again before they are used: anything may have changed."""
        self._changes += 1
        self._memory.clear()
        self._memory.is_complete = False
        self._outdated.clear()

    def remembered(self, owner: str) -> EffectivePreferences | None:
        """Return the preferences that apply to an owner, None if they have to be read."""
        if not self._hosts.is_user(owner):
            return _EVERYTHING
        if owner in self._outdated:
            return None
        applied = self._memory.get(owner)
        if applied is None and self._memory.is_complete:
            return self._effective(owner, None)
        return applied

    async def read(self, owner: str) -> EffectivePreferences:
        """Read the preferences that apply to an owner; retry until the store answers."""
        while True:
            try:
                return await self._read(owner)
            except StorageError as error:
                log.error("the preferences of %s cannot be read: %s", owner, error)
            await asyncio.sleep(self._retry_seconds)

    async def _read(self, owner: str) -> EffectivePreferences:
        """Return the preferences that apply to a user. Raises StorageError."""
        applied = self.remembered(owner)
        if applied is not None:
            return applied
        changes = self._changes
        row = await self._store.get(owner)
        # If preferences changed during the read, the row may be stale.
        is_fresh = changes == self._changes
        return self._remember(owner, row) if is_fresh else self._effective(owner, row)

    def _remember(self, owner: str, row: PreferencesRow | None) -> EffectivePreferences:
        applied = self._memory[owner] = self._effective(owner, row)
        self._outdated.discard(owner)
        return applied

    def _effective(self, owner: str, row: PreferencesRow | None) -> EffectivePreferences:
        defaults = self._defaults.get(jids.domain(owner), _EVERYTHING)
        if row is None:
            return defaults
        return EffectivePreferences(
            defaults.rules, row, frozenset(row.always), frozenset(row.never)
        )

    def _default(self, owner: str, default: str) -> str:
        if default not in DEFAULTS:
            raise BadRequest(f"default: expected one of {', '.join(DEFAULTS)}")
        if not self.can_use(owner, default):
            raise NotImplementedHere("default: your server does not let its archive read rosters")
        return default

    def _prepared(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """Return the addresses prepared as in archives, each once."""
        listed = tuple(addresses)
        if len(listed) > LIST_MAX:
            raise TooLarge(f"a list may have {LIST_MAX} addresses at most")
        return tuple(dict.fromkeys(self._addresses.prepare(address.strip()) for address in listed))
