"""Authentication by a login at ejabberd: TLS, mechanisms and answers."""

from __future__ import annotations

import logging

import pytest
from support.fake_xmpp_server import SASL, fake_server
from support.ports import LOOPBACK, free_port

from component.clients.ejabberd_login import EjabberdLogins
from component.core.errors import Overloaded

#: The loopback address in a form that counts as an address of another machine.
FAR = "127.1"


async def test_password_is_not_sent_to_remote_server_without_tls() -> None:
    async with fake_server("PLAIN", "SCRAM-SHA-1") as server:
        with pytest.raises(Overloaded):
            await EjabberdLogins(FAR, server.port).authenticate("ann@one.test", "pencil")

    assert b"<auth" not in server.received


@pytest.mark.parametrize("offered", ["ANONYMOUS", "EXTERNAL", "DIGEST-MD5", "X-OAUTH2"])
async def test_mechanism_without_password_is_not_used(offered: str) -> None:
    async with fake_server(offered, answer=f"<success xmlns='{SASL}'/>") as server:
        with pytest.raises(Overloaded):
            await EjabberdLogins(LOOPBACK, server.port).authenticate("ann@one.test", "pencil")

    assert b"<auth" not in server.received


@pytest.mark.parametrize("failure", ["not-authorized", "account-disabled", "credentials-expired"])
async def test_refused_password_is_tried_once(failure: str) -> None:
    answer = f"<failure xmlns='{SASL}'><{failure}/></failure>"
    async with fake_server("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", answer=answer) as server:
        assert not await EjabberdLogins(LOOPBACK, server.port).authenticate(
            "ann@one.test", "pencil"
        )

    assert server.received.count(b"<auth ") == 1


@pytest.mark.parametrize("failure", ["temporary-auth-failure", "mechanism-too-weak"])
async def test_server_error_is_not_a_wrong_password(
    failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = f"<failure xmlns='{SASL}'><{failure}/></failure>"
    async with fake_server("PLAIN", answer=answer) as server:
        with pytest.raises(Overloaded):
            await EjabberdLogins(LOOPBACK, server.port).authenticate("ann@one.test", "pencil")

    assert failure in caplog.text
    assert "pencil" not in caplog.text


async def test_wrong_password_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    answer = f"<failure xmlns='{SASL}'><not-authorized/></failure>"
    async with fake_server("PLAIN", answer=answer) as server:
        assert not await EjabberdLogins(LOOPBACK, server.port).authenticate(
            "ann@one.test", "pencil"
        )

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("password", ["", "a\x00b", "\u05d0a", "a" * 2000])
async def test_password_that_saslprep_refuses_is_not_tried(
    password: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not await EjabberdLogins(LOOPBACK, free_port()).authenticate("ann@one.test", password)
    assert caplog.records == []
