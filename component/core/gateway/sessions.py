"""Sessions of the gateway: each is a sign-in whose token the program shows at each request.

So a session ends with all other sign-ins: when it is revoked, when it was not used for long, and
when the password changes or the account is removed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

from component.core.errors import ItemNotFound, NotAuthorized, Overloaded, Refused
from component.core.gateway.errors import (
    AuthError,
    SessionError,
    UpstreamAuthError,
    UpstreamConnectionError,
)
from component.core.gateway.reader import GatewayReader
from component.core.gateway.settings import GatewaySettings
from component.core.gateway.xmpp import UserSession, UserSessions, is_ready
from component.core.hosts import Hosts
from component.core.sessions import events
from component.core.sessions.machine import Phase
from component.core.store_errors import translated
from component.core.tokens.sign_ins import MICROSECONDS, SignIns
from component.core.xml.jids import domain
from component.core.xml.times import now
from storage import interface
from storage.rows import GatewayTotals, SignIn

log = logging.getLogger(__name__)

ID_BYTES = 16

#: Sessions of one account. With one more, the one that was not used for longest ends, so that a
#: program without `client_id` does not crowd out the other sign-ins of the account.
PER_ACCOUNT_MAX = 20

#: Seconds that the connection to ejabberd may take.
CONNECT_SECONDS = 5.0

#: Seconds of use after which a session is renewed: more often would cost a write at each request.
RENEW_SECONDS = 3600

_DAY = 24 * 3600 * MICROSECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """The settings of a session, which its program chooses."""

    client_id: str = ""
    push_token: str = field(default="", repr=False)
    should_send_message_body: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySession:
    """A session of a program of a user."""

    id: str
    jid: str  #: bare
    settings: SessionSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedSession:
    """A session that has begun, or the one that the same program had before."""

    session: GatewaySession
    token: str = field(repr=False)
    is_new: bool
    place: int = 0  #: event id of the last event before it
    #: the secret that signs pushes, None if there is none
    push_secret: str | None = field(default=None, repr=False)


class Push(Protocol):
    """Pushes messages to the places that programs of users have named."""

    async def subscribe(self, session: GatewaySession) -> str | None:
        """Push to the `push_token` of a session from now on, until its sign-in ends.

        The place replaces an earlier one of the session.

        Returns the secret that signs pushes, if it is new. Does nothing if the token names
        no place that we can push to.
        """
        ...


class GatewaySessions:
    """Starts, checks and ends sessions."""

    def __init__(
        self,
        store: interface.SignIns,
        sign_ins: SignIns,
        sessions: UserSessions,
        reader: GatewayReader,
        hosts: Hosts,
        settings: GatewaySettings,
        *,
        push: Push | None = None,
        is_opened: Callable[[str], bool] = lambda _: False,
        clock: Callable[[], int] = now,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        """`is_opened` returns whether a JID is that of a user of an opened server.

        `clock` returns microseconds. A connection may take `connect_seconds`.
        """
        self._store = store
        self._sign_ins = sign_ins
        self._sessions = sessions
        self._reader = reader
        self._servers = frozenset((*hosts, *settings.servers))
        self._max = settings.max_sessions
        self._idle = settings.idle_days * _DAY
        self._push = push
        self._is_opened = is_opened
        self._clock = clock
        self._connect_seconds = connect_seconds
        self._starting = asyncio.Lock()

    def check_server(self, server: str, jid: str) -> None:
        """Raise UpstreamConnectionError unless a server may be used by a user.

        It is ours, or the opened one of the user. No name is looked up here.
        """
        name = server.strip().lower()
        host, _, port = name.rpartition(":")
        host = (host if port.isdecimal() else name).removesuffix(".")
        if host not in self._servers and not (host == domain(jid) and self._is_opened(jid)):
            raise UpstreamConnectionError(server)

    async def start(self, jid: str, password: str, settings: SessionSettings) -> StartedSession:
        """Return a new session of an account, or that of the same client. `jid` is prepared.

        Raises NotAuthorized for a wrong password, UpstreamConnectionError, UpstreamAuthError,
        RateLimited, NotAllowed, Overloaded.
        """
        revocations = await self._sign_ins.check_password(jid, password)
        async with self._starting:
            started = await self._started(jid, password, settings, revocations)
        try:
            # This opens the journal, which then gets the changes that come over the connection.
            place = await self._reader.place(jid)
            await self._connect(jid)
        except Refused:
            if started.is_new:
                with suppress(ItemNotFound):
                    await self._sign_ins.revoke(jid, started.session.id)
            raise
        started = replace(started, place=place)
        if self._push is not None and settings.push_token:
            return replace(started, push_secret=await self._push.subscribe(started.session))
        return started

    async def verify(self, id: str, token: str) -> GatewaySession:
        """Return a session by its id, if the token is its own. Raises SessionError, AuthError."""
        row, at = await self._sign_ins.find(id), self._clock()
        if row is None or not row.gateway:
            raise SessionError(id)
        if not hmac.compare_digest(_hash(token), row.token_hash):
            raise AuthError
        if at - row.refreshed_at >= RENEW_SECONDS * MICROSECONDS:
            with translated():
                await self._store.renew(id, at=at, expires_at=at + self._idle)
        return _session(row)

    async def check(self, session: GatewaySession) -> None:
        """Raise SessionError if a session has ended since it was verified, Overloaded."""
        if await self._sign_ins.find(session.id) is None:
            raise SessionError(session.id)

    async def change(self, session: GatewaySession, settings: SessionSettings) -> GatewaySession:
        """Replace the settings of a session."""
        changed = await self._changed(session, settings)
        if self._push is not None and settings.push_token:
            await self._push.subscribe(changed)
        return changed

    async def end(self, session: GatewaySession) -> None:
        """End a session, and with the last sign-in of the account its connection."""
        with suppress(ItemNotFound):
            await self._sign_ins.revoke(session.jid, session.id)
        if not await self._sign_ins.list(session.jid):
            self._sessions.close_session(session.jid)

    def use(self, jid: str) -> UserSession | None:
        """Keep the connection of an account open; None: there is none at the moment."""
        try:
            connection = self._sessions.session(jid)
        except (NotAuthorized, Overloaded):
            return None
        connection.report(events.DeferReceipts())
        return connection

    async def connection(self, jid: str) -> UserSession:
        """Return the connection of an account once it is ready.

        Raises UpstreamConnectionError, AuthError if the user has to start a session again.
        """
        connection = self.use(jid)
        if connection is not None and await connection.wait_for(is_ready, self._connect_seconds):
            return connection
        if connection is not None and connection.machine.phase is Phase.CLOSED:
            raise AuthError("Muniment cannot log in to ejabberd for you: start a session again.")
        raise UpstreamConnectionError(domain(jid))

    async def totals(self) -> GatewayTotals:
        """Return the number of sessions. Raises Overloaded."""
        with translated():
            return await self._store.gateway_totals(at=self._clock())

    @property
    def connections(self) -> int:
        """The number of connections to ejabberd."""
        return len(self._sessions)

    async def _started(
        self, jid: str, password: str, settings: SessionSettings, revocations: int
    ) -> StartedSession:
        sessions = [row for row in await self._sign_ins.list(jid) if row.gateway]
        earlier = _of_client(sessions, settings.client_id)
        if earlier is not None:
            token = self._sign_ins.session_token(earlier.id)
            # The key may have been replaced since then.
            if hmac.compare_digest(_hash(token), earlier.token_hash):
                self._sign_ins.granted(jid, password)
                session = _session(earlier)
                kept = replace(
                    session.settings, push_token=settings.push_token or session.settings.push_token
                )
                session = await self._changed(session, kept)
                return StartedSession(session=session, token=token, is_new=False)
            await self._sign_ins.revoke(jid, earlier.id)
        if (await self.totals()).sessions >= self._max:
            raise Overloaded("Too many sessions are open: try again later.")
        id, at = secrets.token_hex(ID_BYTES), self._clock()
        token = self._sign_ins.session_token(id)
        row = SignIn(
            id=id,
            jid=jid,
            label=f"gateway {settings.client_id}".strip(),
            created_at=at,
            refreshed_at=at,
            expires_at=at + self._idle,
            token_hash=_hash(token),
            gateway=_text(settings),
        )
        await self._sign_ins.add(row, password, revocations)
        for oldest in sessions[PER_ACCOUNT_MAX - 1 :]:
            with suppress(ItemNotFound):
                await self._sign_ins.revoke(jid, oldest.id)
        return StartedSession(session=_session(row), token=token, is_new=True)

    async def _changed(self, session: GatewaySession, settings: SessionSettings) -> GatewaySession:
        with translated():
            await self._store.set_gateway(session.id, _text(settings))
        return replace(session, settings=settings)

    async def _connect(self, jid: str) -> None:
        """Wait for the connection. Raises UpstreamConnectionError, UpstreamAuthError."""
        try:
            await self.connection(jid)
        except AuthError as error:
            raise UpstreamAuthError(jid) from error


def _of_client(rows: Iterable[SignIn], client_id: str) -> SignIn | None:
    """Return the session that a program has started before, None without such a session."""
    if not client_id:
        return None
    return next((row for row in rows if _session(row).settings.client_id == client_id), None)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def _text(settings: SessionSettings) -> str:
    return json.dumps(asdict(settings))


def _session(row: SignIn) -> GatewaySession:
    return GatewaySession(
        id=row.id, jid=row.jid, settings=SessionSettings(**json.loads(row.gateway))
    )
