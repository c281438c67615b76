"""How long messages stay: the bounds of operators, and the rules for a user or for one peer.

Bounds hold for an archive as a whole, and its oldest messages go first. A rule for a peer may be
stricter, or let its messages grow older than the others; how much all of them are together stays
bounded for the archive.
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

#: Archives, or conversations of one, that are looked up at a time.
PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionBounds:
    """How much stays; 0: no bound."""

    days: int = 0
    messages: int = 0
    bytes: int = 0  #: of XML


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionDefaults:
    """What operators have set for archives that have no rule of their own."""

    hosts: Mapping[str, RetentionBounds] = field(default_factory=dict)  #: by virtual host
    others: RetentionBounds = (
        RetentionBounds()
    )  #: for all other archives, which are those of rooms

    def of(self, owner: str) -> RetentionBounds:
        """Return what is usual for an archive."""
        return self.hosts.get(jids.domain(owner), self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How an archive is brought within its bounds."""

    whole: Cutoff  #: what is shed, the oldest first
    peers: Mapping[str, Cutoff]  #: what is cut with each peer that has a rule
    others: Cutoff  #: what is cut with all other peers

    def removes_nothing_of(self, usage: Usage) -> bool:
        """Whether nothing is to go, known without asking the store of the archive."""
        every = (self.whole, self.others, *self.peers.values())
        return all(within(limits, usage) for limits in every)


def plan_for(owner: str, rules: Mapping[str, Rule], usual: RetentionDefaults, now: int) -> Plan:
    """Return what is to go of an archive.

    `rules` are those of the owner by peer, "" for the archive as a whole; `now` in microseconds.
    """
    bounds = _ruled(usual.of(owner), rules.get(""))
    days = {peer: _or(rule.days, bounds.days) for peer, rule in rules.items() if peer}
    # As long as anything may stay, nothing is shed for its age: that would leave a hole.
    longest = 0 if 0 in (bounds.days, *days.values()) else max(bounds.days, *days.values(), 0)
    is_parted = longest != bounds.days
    return Plan(
        whole=_limits(
            RetentionBounds(days=longest, messages=bounds.messages, bytes=bounds.bytes), now
        ),
        peers={
            peer: _limits(
                RetentionBounds(
                    days=days[peer], messages=rule.messages or 0, bytes=rule.bytes or 0
                ),
                now,
            )
            for peer, rule in rules.items()
            if peer
        },
        others=_limits(RetentionBounds(days=bounds.days), now) if is_parted else Cutoff(),
    )


def is_tighter(bounds: RetentionBounds, *, than: RetentionBounds) -> bool:
    """Whether bounds may take what others leave."""
    pairs = (
        (bounds.days, than.days),
        (bounds.messages, than.messages),
        (bounds.bytes, than.bytes),
    )
    return any(new and (not old or new < old) for new, old in pairs)


def within(limits: Cutoff, usage: Usage) -> bool:
    """Whether an archive is within limits, and so is each conversation in it."""
    return (
        (limits.since is None or usage.oldest is None or usage.oldest >= limits.since)
        and (limits.messages is None or usage.messages <= limits.messages)
        and (limits.bytes is None or usage.bytes <= limits.bytes)
    )


async def usage_pages(keeping: Retention) -> AsyncIterator[Sequence[Usage]]:
    """Yield what archives take up, page by page. Raises StorageError."""
    after = ""
    while page := await keeping.usage(after=after, limit=PAGE):
        yield page
        after = page[-1].owner


async def cuts(archive: Archive, owner: str, plan: Plan) -> AsyncIterator[tuple[str, Cutoff]]:
    """Yield the peers whose messages are cut, with their limits. Raises StorageError."""
    for peer, limits in plan.peers.items():
        yield peer, limits
    if plan.others == Cutoff():
        return
    async for peer in _peers(archive, owner):
        if peer not in plan.peers:
            yield peer, plan.others


async def _peers(archive: Archive, owner: str) -> AsyncIterator[str]:
    before = None
    while True:
        try:
            page = await archive.conversations(
                owner, limit=PAGE, before=before, max_bytes=PAGE_MAX_BYTES
            )
        except NotFound:
            # The message that the last page ended at was removed: the rest has its next turn.
            return
        for conversation in page.conversations:
            yield conversation.peer
        if page.complete:
            return
        before = page.conversations[-1].newest


def _ruled(bounds: RetentionBounds, rule: Rule | None) -> RetentionBounds:
    if rule is None:
        return bounds
    return RetentionBounds(
        days=_or(rule.days, bounds.days),
        messages=_or(rule.messages, bounds.messages),
        bytes=_or(rule.bytes, bounds.bytes),
    )


def _or(value: int | None, usual: int) -> int:
    return usual if value is None else value


def _limits(bounds: RetentionBounds, now: int) -> Cutoff:
    return Cutoff(
        since=now - bounds.days * DAY if bounds.days else None,
        messages=bounds.messages or None,
        bytes=bounds.bytes or None,
    )
