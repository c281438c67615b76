"""What users want archived, within what operators allow. The rules of XEP-0441 section 2.

Where a message is named by both lists, or by a list of its owner and by the operators' one, what
is never archived wins: whoever wrote that expects privacy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from component.core import jids
from component.core.errors import BadRequest, Forbidden, NotImplementedHere, TooLarge
from component.core.ports import Jids, Rosters
from component.core.refusals import refusals
from storage.interface import Records
from storage.rows import Preferences

ALWAYS, NEVER, ROSTER = "always", "never", "roster"
DEFAULTS = (ALWAYS, NEVER, ROSTER)

#: The most addresses that a list may have.
LIST_MAX = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRules:
    """What operators say of the users of a virtual host."""

    default: str = ALWAYS  #: for users that have set nothing
    #: bare JIDs and domains; messages from and to them are archived for nobody
    never: frozenset[str] = frozenset()

    def forbids(self, peer: str) -> bool:
        """Whether messages with this address are archived for nobody."""
        if not self.never:
            return False
        bare = jids.bare(peer)
        return bare in self.never or jids.domain(bare) in self.never


@dataclass(frozen=True, slots=True)
class _Lists:
    """The preferences of one user, quick to ask."""

    preferences: Preferences
    always: frozenset[str]
    never: frozenset[str]


class Wishes:
    """The preferences of all users of some virtual hosts."""

    def __init__(
        self,
        records: Records,
        addresses: Jids,
        rosters: Rosters,
        hosts: Mapping[str, HostRules],
    ) -> None:
        self._records = records
        self._addresses = addresses
        self._rosters = rosters
        self._hosts = dict(hosts)
        self._lists: dict[str, _Lists] = {}
        self._setting = asyncio.Lock()

    async def load(self) -> None:
        """Read what users have set before. Raises StorageError."""
        for preferences in await self._records.preferences():
            self._keep(preferences)

    def authorize(self, requester: str, owner: str) -> None:
        """Return if one bare JID may read and set the preferences of the other.

        Nobody but the users themselves may. Raises Forbidden.
        """
        if requester != owner or not self._is_user(owner):
            raise Forbidden("these preferences are not yours")

    def of(self, owner: str) -> Preferences:
        """Return what is applied to a user: its own preferences, or what operators have set."""
        lists, rules = self._lists.get(owner), self._rules(owner)
        if lists is None:
            return Preferences(owner=owner, default=rules.default)
        allowed = tuple(peer for peer in lists.preferences.always if not rules.forbids(peer))
        return replace(lists.preferences, always=allowed)

    def can_use(self, owner: str, default: str) -> bool:
        """Whether a user can have this default: no roster, nothing archived by it."""
        return default != ROSTER or self._rosters.are_readable(jids.domain(owner))

    async def set(self, owner: str, preferences: Preferences) -> Preferences:
        """Keep the preferences of a user and return what is applied now; it is durable.

        Raises BadRequest, TooLarge, NotImplementedHere, Overloaded.
        """
        wanted = Preferences(
            owner=owner,
            default=self._default(owner, preferences.default),
            always=self._prepared(preferences.always),
            never=self._prepared(preferences.never),
        )
        # One after the other, so that what is applied is what is stored.
        async with self._setting:
            with refusals():
                await self._records.set_preferences(wanted)
            self._keep(wanted)
        return self.of(owner)

    def forget(self, owner: str) -> None:
        """Forget what a user has set, whose archive was erased."""
        self._lists.pop(owner, None)

    def wants(self, owner: str, peer: str, resource: str) -> bool | None:
        """Whether a user wants messages with this bare JID and resource; None: ask the roster.

        Archives of others than our users (rooms have some) know no preferences.
        """
        if not self._is_user(owner):
            return True
        lists, rules = self._lists.get(owner), self._rules(owner)
        if rules.forbids(peer) or rules.forbids(owner):
            return False
        default = rules.default
        if lists is not None:
            default = lists.preferences.default
            names = {peer, f"{peer}/{resource}"}
            if not lists.never.isdisjoint(names):
                return False
            if not lists.always.isdisjoint(names):
                return True
        return None if default == ROSTER else default == ALWAYS

    def _is_user(self, owner: str) -> bool:
        return jids.domain(owner) in self._hosts and jids.local(owner) != ""

    def _rules(self, owner: str) -> HostRules:
        return self._hosts.get(jids.domain(owner)) or HostRules()

    def _keep(self, preferences: Preferences) -> None:
        self._lists[preferences.owner] = _Lists(
            preferences, frozenset(preferences.always), frozenset(preferences.never)
        )

    def _default(self, owner: str, default: str) -> str:
        if default not in DEFAULTS:
            raise BadRequest(f"default: one of {', '.join(DEFAULTS)} is expected")
        if not self.can_use(owner, default):
            raise NotImplementedHere("default: your server does not let its archive read rosters")
        return default

    def _prepared(self, addresses: Iterable[str]) -> tuple[str, ...]:
        """Return the addresses as archives have them, each once."""
        listed = tuple(addresses)
        if len(listed) > LIST_MAX:
            raise TooLarge(f"a list may have {LIST_MAX} addresses")
        return tuple(dict.fromkeys(self._addresses.prepare(one.strip()) for one in listed))
