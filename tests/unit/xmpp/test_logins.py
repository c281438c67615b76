"""Passwords tried by logging in: what is shown to whom, and what an answer means."""

from __future__ import annotations

import logging

import pytest
from support.ports import LOOPBACK, free_port
from support.pretending import SASL, pretending

from component.clients.ejabberd_login import EjabberdLogins
from component.core.errors import Overloaded

#: The same address, written so that it is taken for one of another machine.
FAR = "127.1"


async def test_nothing_is_shown_far_away_without_encryption() -> None:
    async with pretending("PLAIN", "SCRAM-SHA-1") as server:
        with pytest.raises(Overloaded):
            await EjabberdLogins(FAR, server.port).authenticate("ann@one.test", "pencil")

    assert b"<auth" not in server.said


@pytest.mark.parametrize("offered", ["ANONYMOUS", "EXTERNAL", "DIGEST-MD5", "X-OAUTH2"])
async def test_a_way_in_that_asks_for_no_password_is_not_taken(offered: str) -> None:
    async with pretending(offered, answer=f"<success xmlns='{SASL}'/>") as server:
        with pytest.raises(Overloaded):
            await EjabberdLogins(LOOPBACK, server.port).authenticate("ann@one.test", "pencil")

    assert b"<auth" not in server.said


@pytest.mark.parametrize("failure", ["not-authorized", "account-disabled", "credentials-expired"])
async def test_a_password_that_is_refused_is_tried_once(failure: str) -> None:
    answer = f"<failure xmlns='{SASL}'><{failure}/></failure>"
    async with pretending("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", answer=answer) as server:
        assert not await EjabberdLogins(LOOPBACK, server.port).authenticate(
            "ann@one.test", "pencil"
        )

    assert server.said.count(b"<auth ") == 1


@pytest.mark.parametrize("failure", ["temporary-auth-failure", "mechanism-too-weak"])
async def test_what_is_wrong_with_the_server_is_not_the_password(
    failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = f"<failure xmlns='{SASL}'><{failure}/></failure>"
    async with pretending("PLAIN", answer=answer) as server:
        with pytest.raises(Overloaded):
            await EjabberdLogins(LOOPBACK, server.port).authenticate("ann@one.test", "pencil")

    assert failure in caplog.text
    assert "pencil" not in caplog.text


async def test_a_wrong_password_is_no_event(caplog: pytest.LogCaptureFixture) -> None:
    answer = f"<failure xmlns='{SASL}'><not-authorized/></failure>"
    async with pretending("PLAIN", answer=answer) as server:
        assert not await EjabberdLogins(LOOPBACK, server.port).authenticate(
            "ann@one.test", "pencil"
        )

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("password", ["", "a\x00b", "\u05d0a", "a" * 2000])
async def test_a_password_that_nobody_has_is_not_tried(
    password: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not await EjabberdLogins(LOOPBACK, free_port()).authenticate("ann@one.test", password)
    assert caplog.records == []
