"""The answers of ejabberd's API about accounts."""

from __future__ import annotations

import pytest
from support.fake_ejabberd_api import fake_accounts

from component.core.errors import Overloaded

ANN = "ann@one.test"


@pytest.mark.parametrize(("body", "is_right"), [("0", True), ("1", False)])
async def test_zero_is_true_and_one_is_false(body: str, is_right: bool) -> None:
    async with fake_accounts(body) as accounts:
        assert await accounts.authenticate(ANN, "pencil") is is_right


@pytest.mark.parametrize("body", ["false", "true", "0.0", "null", '"0"', "[]", "{}", "2", "-1"])
async def test_other_answers_are_refused(body: str) -> None:
    async with fake_accounts(body) as accounts:
        with pytest.raises(Overloaded):
            await accounts.authenticate(ANN, "pencil")
