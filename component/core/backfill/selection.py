"""Selects the missing messages that an archive would have, had their copies arrived."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from component.core.archiving.policy import Policy
from component.core.archiving.preference_filter import PreferenceFilter
from component.core.hosts import Hosts
from component.core.importing.messages import NotServed, imported_message
from component.core.importing.records import ImportRecord
from component.core.messages.describe import describe
from component.core.retention.plan import RetentionDefaults, plan_for
from component.core.xml.jids import Jids
from component.core.xml.stanza import parse
from component.core.xml.times import now
from storage.rows import Direction, ImportedMessage, NewMessage, Rule


class RulesOfOwners(Protocol):
    """The retention rules of archives."""

    def of(self, owner: str) -> Mapping[str, Rule]:
        """Return the rules of an owner by peer; the key of the whole archive is ""."""
        ...


class Selector:
    """Makes rows of records, except those that policy, preferences or retention exclude."""

    def __init__(
        self,
        policy: Policy,
        hosts: Hosts,
        jids: Jids,
        preferences: PreferenceFilter,
        rules: RulesOfOwners,
        defaults: RetentionDefaults,
        is_held: Callable[[str], bool],
    ) -> None:
        """`is_held` returns whether retention deletes nothing of an archive."""
        self._policy = policy
        self._hosts = hosts
        self._jids = jids
        self._preferences = preferences
        self._rules = rules
        self._defaults = defaults
        self._is_held = is_held

    async def select(self, record: ImportRecord) -> ImportedMessage | None:
        """Return the row of a record, None if it is not archived.

        The preferences are those of now: nobody knows those of the time of the message. Raises
        BadRequest if the record is no message.
        """
        try:
            imported = imported_message(record, self._hosts, self._jids)
        except NotServed:
            return None
        message, stanza = imported.message, parse(imported.message.xml)
        policy = self._policy
        judge = policy.judge_for_room if record.is_of_room else policy.judge
        is_kept, _ = judge(stanza)
        if not is_kept or self._is_expired(message):
            return None
        if not await self._preferences.wants(message):
            return None
        is_own = not record.is_of_room and message.direction is Direction.SENT
        # Copies from the offline store come later, under the key that live copies have.
        keys = (message.dedup_key, *imported.known_keys)
        live_key = keys[1] if record.is_of_room else keys[2]
        return imported._replace(
            message=message._replace(
                dedup_key=live_key, is_seen=is_own and describe(stanza).shows_seen
            ),
            known_keys=keys,
        )

    def _is_expired(self, message: NewMessage) -> bool:
        if self._is_held(message.owner):
            return False
        plan = plan_for(message.owner, self._rules.of(message.owner), self._defaults, now())
        for cutoff in (plan.archive, plan.peers.get(message.peer, plan.other_peers)):
            if cutoff.since is not None and message.at < cutoff.since:
                return True
        return False
