"""Retention rules, which are the same in memory as in the store."""

from __future__ import annotations

import pytest
from support.builders import ALICE, BOB, ROMEO

from component.core.errors import Conflict
from component.core.retention.rules import Rules
from storage.interface import Storage
from storage.rows import Rule


async def test_number_of_rules_is_bounded_and_existing_ones_can_be_changed(
    storage: Storage,
) -> None:
    rules_service = Rules(storage.rules, limit=2)
    await rules_service.set(Rule(owner=ALICE, days=1))
    await rules_service.set(Rule(owner=ALICE, peer=BOB, days=2))
    await rules_service.set(Rule(owner=ALICE, days=3))

    for rule in (Rule(owner=BOB, days=4), Rule(owner=ALICE, peer=ROMEO, days=4)):
        with pytest.raises(Conflict):
            await rules_service.set(rule)
    assert {rule.days for rule in await storage.rules.list()} == {2, 3}

    await rules_service.remove(ALICE)
    await rules_service.set(Rule(owner=BOB, days=5))
    assert rules_service.of(BOB) == {"": Rule(owner=BOB, days=5)}
