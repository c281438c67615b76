"""Retention plans from the bounds of the configuration and the rules of owners and peers."""

from __future__ import annotations

import pytest
from support.builders import ALICE, BOB, HOST, NOON, OTHER_HOST, ROMEO, ROOM

from component.core.retention.plan import DAY, Plan, RetentionDefaults, RetentionLimits, plan_for
from storage.rows import Cutoff, Rule

DEFAULTS = RetentionDefaults(
    hosts={HOST: RetentionLimits(days=30, messages=1000), OTHER_HOST: RetentionLimits()},
    others=RetentionLimits(bytes=5000),
)


def rule(peer: str = "", **fields: int) -> Rule:
    return Rule(owner=ALICE, peer=peer, **fields)


def plan(*rules: Rule, defaults: RetentionDefaults = DEFAULTS) -> Plan:
    return plan_for(ALICE, {rule.peer: rule for rule in rules}, defaults, NOON)


def older_than(days: int) -> int:
    return NOON - days * DAY


@pytest.mark.parametrize(
    ("owner", "cutoff"),
    [
        (ALICE, Cutoff(since=older_than(30), messages=1000)),
        (f"romeo@{OTHER_HOST}", Cutoff()),
        (ROOM, Cutoff(bytes=5000)),
    ],
)
def test_default_bounds_depend_on_the_host(owner: str, cutoff: Cutoff) -> None:
    assert plan_for(owner, {}, DEFAULTS, NOON) == Plan(
        archive=cutoff, peers={}, other_peers=Cutoff()
    )


@pytest.mark.parametrize(
    ("user_rule", "cutoff"),
    [
        (rule(days=7), Cutoff(since=older_than(7), messages=1000)),
        (rule(days=0), Cutoff(messages=1000)),
        (rule(messages=0, bytes=9), Cutoff(since=older_than(30), bytes=9)),
    ],
)
def test_user_rule_overrides_only_the_bounds_it_sets(user_rule: Rule, cutoff: Cutoff) -> None:
    assert plan(user_rule).archive == cutoff


def test_stricter_peer_rule_applies_to_that_peer_only() -> None:
    retention_plan = plan(rule(BOB, days=7, messages=10))

    assert retention_plan.archive == Cutoff(since=older_than(30), messages=1000)
    assert retention_plan.peers == {BOB: Cutoff(since=older_than(7), messages=10)}
    assert retention_plan.other_peers == Cutoff()


def test_peer_rule_without_days_keeps_the_default_days() -> None:
    assert plan(rule(BOB, bytes=10)).peers == {BOB: Cutoff(since=older_than(30), bytes=10)}


@pytest.mark.parametrize(("days", "since"), [(365, older_than(365)), (0, None)])
def test_longer_peer_rule_limits_deletion_of_the_whole_archive(
    days: int, since: int | None
) -> None:
    """Older messages of other peers are blanked, conversation by conversation."""
    retention_plan = plan(rule(BOB, days=days), rule(ROMEO, days=7))

    assert retention_plan.archive == Cutoff(since=since, messages=1000)
    assert retention_plan.peers == {BOB: Cutoff(since=since), ROMEO: Cutoff(since=older_than(7))}
    assert retention_plan.other_peers == Cutoff(since=older_than(30))


def test_peer_rule_applies_without_default_bounds() -> None:
    retention_plan = plan(rule(BOB, days=7), defaults=RetentionDefaults())

    assert retention_plan == Plan(
        archive=Cutoff(), peers={BOB: Cutoff(since=older_than(7))}, other_peers=Cutoff()
    )


def test_user_rule_and_peer_rule_are_combined() -> None:
    retention_plan = plan(rule(days=10), rule(BOB, days=20))

    assert retention_plan.archive.since == older_than(20)
    assert retention_plan.other_peers == Cutoff(since=older_than(10))
