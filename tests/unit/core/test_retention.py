"""What is to go of an archive: operators' bounds, and rules for users and for peers."""

from __future__ import annotations

import pytest
from support.builders import ALICE, BOB, HOST, NOON, OTHER_HOST, ROMEO, ROOM

from component.core.retention.plan import DAY, Plan, RetentionBounds, RetentionDefaults, plan_for
from storage.rows import Cutoff, Rule

USUAL = RetentionDefaults(
    hosts={HOST: RetentionBounds(days=30, messages=1000), OTHER_HOST: RetentionBounds()},
    others=RetentionBounds(bytes=5000),
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
def test_what_is_usual_depends_on_the_host(owner: str, whole: Cutoff) -> None:
    assert plan_for(owner, {}, USUAL, NOON) == Plan(archive=whole, peers={}, other_peers=Cutoff())


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        (rule(days=7), Cutoff(since=older_than(7), messages=1000)),
        (rule(days=0), Cutoff(messages=1000)),
        (rule(messages=0, bytes=9), Cutoff(since=older_than(30), bytes=9)),
    ],
)
def test_a_rule_of_a_user_replaces_what_it_names(given: Rule, whole: Cutoff) -> None:
    assert plan(given).archive == whole


def test_a_stricter_rule_for_a_peer_is_for_that_peer_only() -> None:
    found = plan(rule(BOB, days=7, messages=10))

    assert found.archive == Cutoff(since=older_than(30), messages=1000)
    assert found.peers == {BOB: Cutoff(since=older_than(7), messages=10)}
    assert found.other_peers == Cutoff()


def test_a_rule_for_a_peer_that_names_no_age_keeps_the_usual_one() -> None:
    assert plan(rule(BOB, bytes=10)).peers == {BOB: Cutoff(since=older_than(30), bytes=10)}


@pytest.mark.parametrize(("days", "since"), [(365, older_than(365)), (0, None)])
def test_what_may_grow_older_with_a_peer_is_not_shed(days: int, since: int | None) -> None:
    """The others lose what is older than usual, each by itself."""
    found = plan(rule(BOB, days=days), rule(ROMEO, days=7))

    assert found.archive == Cutoff(since=since, messages=1000)
    assert found.peers == {BOB: Cutoff(since=since), ROMEO: Cutoff(since=older_than(7))}
    assert found.other_peers == Cutoff(since=older_than(30))


def test_a_peer_can_have_a_bound_where_usually_there_is_none() -> None:
    found = plan(rule(BOB, days=7), usual=RetentionDefaults())

    assert found == Plan(
        archive=Cutoff(), peers={BOB: Cutoff(since=older_than(7))}, other_peers=Cutoff()
    )


def test_rules_of_a_user_and_of_a_peer_go_together() -> None:
    found = plan(rule(days=10), rule(BOB, days=20))

    assert found.archive.since == older_than(20)
    assert found.other_peers == Cutoff(since=older_than(10))
