"""Plan a purge from the limits of the configuration, and the rules for archives and single peers.

Limits apply to an archive as a whole, and its oldest messages are deleted first. A rule for a peer
may be stricter, or keep its messages longer than others; the number and size of all messages
together stay within the limits of the archive.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from component.core.reading.pages import PAGE_MAX_BYTES
from component.core.xml import jids
from storage.errors import NotFound
from storage.interface import Archive, Retention
from storage.rows import Cutoff, Rule, Usage

DAY = 24 * 60 * 60 * 1_000_000

#: Number of archives, or of conversations of one archive, that are read at once.
PAGE_SIZE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionLimits:
    """Limits of an archive; 0: no limit."""

    days: int = 0
    messages: int = 0
    bytes: int = 0  #: of XML


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionDefaults:
    """Limits of the configuration, for archives without a rule."""

    hosts: Mapping[str, RetentionLimits] = field(default_factory=dict)  #: by virtual host
    others: RetentionLimits = RetentionLimits()  #: for all other archives: those of rooms

    def of(self, owner: str) -> RetentionLimits:
        """Return the limits of an archive that has no rule."""
        return self.hosts.get(jids.domain(owner), self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The cutoffs that bring an archive within its limits."""

    archive: Cutoff  #: for `delete_oldest` of the whole archive
    peers: Mapping[str, Cutoff]  #: for `blank_oldest`, by peer that has a rule
    other_peers: Cutoff  #: for `blank_oldest` of each other peer

    def is_satisfied_by(self, usage: Usage) -> bool:
        """Return whether the usage of an archive shows that nothing has to be deleted."""
        cutoffs = (self.archive, self.other_peers, *self.peers.values())
        return all(is_within(cutoff, usage) for cutoff in cutoffs)


def plan_for(owner: str, rules: Mapping[str, Rule], defaults: RetentionDefaults, now: int) -> Plan:
    """Return the plan of an archive.

    `rules` are those of the owner by peer, with "" for the whole archive; `now` is in
    microseconds.
    """
    limits = _apply_rule(defaults.of(owner), rules.get(""))
    days = {peer: _value_or(rule.days, limits.days) for peer, rule in rules.items() if peer}
    # `delete_oldest` deletes without gaps, so it spares the longest term of any peer.
    max_days = 0 if 0 in (limits.days, *days.values()) else max(limits.days, *days.values(), 0)
    differs_by_peer = max_days != limits.days
    return Plan(
        archive=_cutoff(
            RetentionLimits(days=max_days, messages=limits.messages, bytes=limits.bytes), now
        ),
        peers={
            peer: _cutoff(
                RetentionLimits(
                    days=days[peer], messages=rule.messages or 0, bytes=rule.bytes or 0
                ),
                now,
            )
            for peer, rule in rules.items()
            if peer
        },
        other_peers=_cutoff(RetentionLimits(days=limits.days), now)
        if differs_by_peer
        else Cutoff(),
    )


def is_tighter(limits: RetentionLimits, *, than: RetentionLimits) -> bool:
    """Return whether limits may delete messages that other limits keep."""
    pairs = (
        (limits.days, than.days),
        (limits.messages, than.messages),
        (limits.bytes, than.bytes),
    )
    return any(new and (not old or new < old) for new, old in pairs)


def is_within(cutoff: Cutoff, usage: Usage) -> bool:
    """Return whether an archive, and so each of its conversations, is within a cutoff."""
    return (
        (cutoff.since is None or usage.oldest is None or usage.oldest >= cutoff.since)
        and (cutoff.messages is None or usage.messages <= cutoff.messages)
        and (cutoff.bytes is None or usage.bytes <= cutoff.bytes)
    )


async def usage_pages(
    retention: Retention, page_size: int = PAGE_SIZE
) -> AsyncIterator[Sequence[Usage]]:
    """Yield the usage of all archives, in pages. Raises StorageError."""
    after = ""
    while page := await retention.usage(after=after, limit=page_size):
        yield page
        after = page[-1].owner


async def peer_cutoffs(
    archive: Archive, owner: str, plan: Plan, page_size: int = PAGE_SIZE
) -> AsyncIterator[tuple[str, Cutoff]]:
    """Yield each peer whose messages are blanked, with its cutoff. Raises StorageError."""
    for peer, cutoff in plan.peers.items():
        yield peer, cutoff
    if plan.other_peers == Cutoff():
        return
    async for peer in _peers(archive, owner, page_size):
        if peer not in plan.peers:
            yield peer, plan.other_peers


async def _peers(archive: Archive, owner: str, page_size: int) -> AsyncIterator[str]:
    before = None
    while True:
        try:
            page = await archive.conversations(
                owner, limit=page_size, before=before, max_bytes=PAGE_MAX_BYTES
            )
        except NotFound:
            # The message at the end of the last page was deleted: the next purge reads the rest.
            return
        for conversation in page.conversations:
            yield conversation.peer
        if page.complete:
            return
        before = page.conversations[-1].newest


def _apply_rule(limits: RetentionLimits, rule: Rule | None) -> RetentionLimits:
    if rule is None:
        return limits
    return RetentionLimits(
        days=_value_or(rule.days, limits.days),
        messages=_value_or(rule.messages, limits.messages),
        bytes=_value_or(rule.bytes, limits.bytes),
    )


def _value_or(value: int | None, default: int) -> int:
    return default if value is None else value


def _cutoff(limits: RetentionLimits, now: int) -> Cutoff:
    return Cutoff(
        since=now - limits.days * DAY if limits.days else None,
        messages=limits.messages or None,
        bytes=limits.bytes or None,
    )
