"""Sessions are opened for our own users alone, within a limit, and log in with care."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from support.fake_xmpp_server import SASL, fake_server
from support.ports import LOOPBACK, free_port

from component.core.accounts.c2s import C2s
from component.core.errors import NotAuthorized, Overloaded
from component.core.hosts import Hosts
from component.core.sessions.credentials import Credentials
from component.core.sessions.delivery import Undelivered
from component.core.sessions.outgoing import Outgoing, Text
from component.core.sessions.servers import Server
from component.core.tokens.sign_ins import WRONG_PASSWORD
from component.sessions.manager import LOGINS_AT_ONCE, SessionManager, SessionSettings

ALICE, BOB = "alice@one.test", "bob@one.test"
REFUSED = f"<failure xmlns='{SASL}'><not-authorized/></failure>"

#: The loopback address in a form that counts as an address of another machine.
FAR = "127.1"

pytestmark = pytest.mark.timeout(20)

MESSAGE = Outgoing(id="m", to=BOB, type="chat", payload=Text("Hi"))


async def token_of(jid: str) -> str | None:
    return f"token.of.{jid}"


async def signed_out(_: str) -> str | None:
    return None


@asynccontextmanager
async def opened(
    port: int,
    credentials: Credentials | None = None,
    *,
    address: str = LOOPBACK,
    issue: Callable = token_of,
    max: int = 2,
) -> AsyncIterator[SessionManager]:
    settings = SessionSettings(address=address, port=port, max=max, idle_seconds=60.0)
    hosts = Hosts(["one.test"])
    sessions = SessionManager(settings, hosts, credentials or Credentials(), issue)
    async with sessions.running(lambda name, work: asyncio.create_task(work)):
        yield sessions


async def send(sessions: SessionManager) -> None:
    """Send a message as alice. Raises Undelivered, TimeoutError."""
    async with asyncio.timeout(1.5):
        with sessions.delivery(ALICE, MESSAGE) as delivery:
            await delivery.wait_taken()


@pytest.fixture
def credentials() -> Credentials:
    """Credentials with a password of alice."""
    credentials = Credentials()
    credentials.remember(ALICE, "pencil")
    return credentials


@pytest.mark.parametrize("jid", ["alice@elsewhere.example", "one.test", "alice@sub.one.test"])
async def test_user_of_another_host_is_refused_like_a_wrong_password(jid: str) -> None:
    async with opened(free_port()) as sessions:
        with pytest.raises(NotAuthorized, match=WRONG_PASSWORD):
            sessions.session(jid)

        assert len(sessions) == 0


async def test_number_of_sessions_is_bounded() -> None:
    async with opened(free_port(), max=1) as sessions:
        first = sessions.session(ALICE)
        assert sessions.session(ALICE) is first
        with pytest.raises(Overloaded, match="Too many sessions"):
            sessions.session(BOB)
        await first.end()

        sessions.session(BOB)
        assert len(sessions) == 1


async def test_logins_at_once_are_bounded() -> None:
    connected: list[asyncio.StreamWriter] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer)

    server = await asyncio.start_server(accept, LOOPBACK)
    port = server.sockets[0].getsockname()[1]
    async with server, opened(port, max=LOGINS_AT_ONCE + 5) as sessions:
        for number in range(LOGINS_AT_ONCE + 5):
            sessions.session(f"user{number}@one.test")
        await reached(lambda: len(connected) == LOGINS_AT_ONCE)
        # Time in which a further one would connect.
        await asyncio.sleep(0.1)
        assert len(connected) == LOGINS_AT_ONCE

        connected[0].close()
        await reached(lambda: len(connected) == LOGINS_AT_ONCE + 1)
        for writer in connected:
            writer.close()


async def reached(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - connections are counted elsewhere
            await asyncio.sleep(0.01)


class Others:
    """Another server, which nobody can reach."""

    def admits(self, address: str) -> bool:
        return address.endswith("@far.test")

    def server(self, domain: str) -> Server:
        return C2s(LOOPBACK, free_port())


async def test_sessions_at_other_servers_have_a_limit_of_their_own() -> None:
    settings = SessionSettings(
        address=LOOPBACK, port=free_port(), max=5, idle_seconds=60.0, max_other=1
    )
    sessions = SessionManager(
        settings, Hosts(["one.test"]), Credentials(), signed_out, others=Others()
    )
    async with sessions.running(lambda name, work: asyncio.create_task(work)):
        sessions.session("carol@far.test")
        with pytest.raises(Overloaded, match="Too many sessions"):
            sessions.session("dave@far.test")
        sessions.session(ALICE)
        sessions.session(BOB)
        with pytest.raises(NotAuthorized):
            sessions.session("eve@closed.test")


async def test_closed_manager_opens_no_session() -> None:
    async with opened(free_port()) as sessions:
        await sessions.close()
        with pytest.raises(Overloaded):
            sessions.session(ALICE)


async def test_user_without_credentials_has_to_sign_in_again() -> None:
    async with opened(free_port(), issue=signed_out) as sessions:
        with pytest.raises(Undelivered, match="sign in again") as refused:
            await send(sessions)

    assert (refused.value.condition, refused.value.status) == ("not-authorized", 401)


async def test_each_credential_is_shown_once(credentials: Credentials) -> None:
    async with (
        fake_server("PLAIN", "SCRAM-SHA-1", answer=REFUSED) as server,
        opened(server.port, credentials) as sessions,
    ):
        with pytest.raises(Undelivered, match="sign in again"):
            await send(sessions)

    assert server.received.count(b"<auth ") == 2


async def test_secrets_are_not_sent_to_another_machine_without_tls(
    credentials: Credentials,
) -> None:
    async with (
        fake_server("PLAIN", "SCRAM-SHA-1", answer=REFUSED) as server,
        opened(server.port, credentials, address=FAR) as sessions,
    ):
        with pytest.raises(TimeoutError):
            await send(sessions)

    assert b"<stream:stream" in server.received
    assert b"<auth" not in server.received


async def test_secrets_are_not_logged(
    credentials: Credentials, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        fake_server("PLAIN", answer=REFUSED) as server,
        opened(server.port, credentials) as sessions,
    ):
        with pytest.raises(Undelivered):
            await send(sessions)

    assert "pencil" not in caplog.text
    assert "token.of" not in caplog.text


async def test_message_waits_while_ejabberd_is_away() -> None:
    async with opened(free_port()) as sessions:
        with pytest.raises(TimeoutError):
            await send(sessions)

        # Nothing waits for it now.
        assert sessions.session(ALICE).machine.pending == 0


async def test_end_fails_messages_that_wait() -> None:
    async with opened(free_port()) as sessions:
        sending = asyncio.create_task(send(sessions))
        await asyncio.sleep(0)
        await sessions.close()

        with pytest.raises(Undelivered, match="has ended"):
            await sending
