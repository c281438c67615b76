"""Plans of retention: bounds of the configuration, and rules for owners and peers."""

from __future__ import annotations

import pytest
from support.builders import ALICE, BOB, HOST, NOON, OTHER_HOST, ROMEO, ROOM

from component.core.retention.plan import DAY, Plan, RetentionDefaults, RetentionLimits, plan_for
from storage.rows import Cutoff, Rule

USUAL = RetentionDefaults(
    hosts={HOST: RetentionLimits(days=30, messages=1000), OTHER_HOST: RetentionLimits()},
    others=RetentionLimits(bytes=5000),
)


def rule(peer: str = "", **fields: int) -> Rule:
    return Rule(owner=ALICE, peer=peer, **fields)


def plan(*rules: Rule, usual: RetentionDefaults = USUAL) -> Plan:
    return plan_for(ALICE, {each.peer: each for each in rules}, usual, NOON)


def older_than(days: int) -> int:
    return NOON - days * DAY


@pytest.mark.parametrize(
    ("owner", "whole"),
    [
        (ALICE, Cutoff(since=older_than(30), messages=1000)),
        (f"romeo@{OTHER_HOST}", Cutoff()),
        (ROOM, Cutoff(bytes=5000)),
    ],
)
def test_default_bounds_depend_on_the_host(owner: str, whole: Cutoff) -> None:
    assert plan_for(owner, {}, USUAL, NOON) == Plan(archive=whole, peers={}, other_peers=Cutoff())


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        (rule(days=7), Cutoff(since=older_than(7), messages=1000)),
        (rule(days=0), Cutoff(messages=1000)),
        (rule(messages=0, bytes=9), Cutoff(since=older_than(30), bytes=9)),
    ],
)
def test_user_rule_overrides_only_the_bounds_it_sets(given: Rule, whole: Cutoff) -> None:
    assert plan(given).archive == whole


def test_stricter_peer_rule_applies_to_that_peer_only() -> None:
    found = plan(rule(BOB, days=7, messages=10))

    assert found.archive == Cutoff(since=older_than(30), messages=1000)
    assert found.peers == {BOB: Cutoff(since=older_than(7), messages=10)}
    assert found.other_peers == Cutoff()


def test_peer_rule_without_days_keeps_the_default_days() -> None:
    assert plan(rule(BOB, bytes=10)).peers == {BOB: Cutoff(since=older_than(30), bytes=10)}


@pytest.mark.parametrize(("days", "since"), [(365, older_than(365)), (0, None)])
def test_longer_peer_rule_limits_deletion_of_the_whole_archive(
    days: int, since: int | None
) -> None:
    """Older messages of other peers are blanked, conversation by conversation."""
    found = plan(rule(BOB, days=days), rule(ROMEO, days=7))

    assert found.archive == Cutoff(since=since, messages=1000)
    assert found.peers == {BOB: Cutoff(since=since), ROMEO: Cutoff(since=older_than(7))}
    assert found.other_peers == Cutoff(since=older_than(30))


def test_peer_rule_applies_without_default_bounds() -> None:
    found = plan(rule(BOB, days=7), usual=RetentionDefaults())

    assert found == Plan(
        archive=Cutoff(), peers={BOB: Cutoff(since=older_than(7))}, other_peers=Cutoff()
    )


def test_user_rule_and_peer_rule_are_combined() -> None:
    found = plan(rule(days=10), rule(BOB, days=20))

    assert found.archive.since == older_than(20)
    assert found.other_peers == Cutoff(since=older_than(10))
