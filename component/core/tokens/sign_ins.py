"""Sign-ins: a password becomes an access token and a refresh token, until it is revoked."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from component.core.accounts.protocol import Authenticator
from component.core.accounts.throttle import TokenBucket
from component.core.errors import (
    ItemNotFound,
    NotAllowed,
    NotAuthorized,
    Overloaded,
    RateLimited,
)
from component.core.hosts import Hosts
from component.core.store_errors import translated
from component.core.tokens.access_tokens import AccessToken, AccessTokens, ExpiredToken, is_token
from component.core.tokens.refresh_tokens import RefreshToken, new_salt
from component.core.tokens.tickets import Tickets
from component.core.xml.times import now
from storage import interface
from storage.rows import SignIn

log = logging.getLogger(__name__)

#: Seconds for which a refresh token that was used is still answered, with the same next token: the
#: client may not have got the first answer.
GRACE_SECONDS = 60

#: Sign-ins of one account. With one more, the one that was not used for longest is revoked.
PER_ACCOUNT_MAX = 50

#: Passwords of sign-ins that are checked at once. The check is slow, and logins to ejabberd wait
#: for the same threads.
PENDING_MAX = 32

#: Sign-ins and refreshes of one account that are answered at once, and seconds until one more is.
#: Each costs a write, and a sign-in costs the check of a password. An account has PER_ACCOUNT_MAX
#: programs, and all of them may refresh at once after an interruption.
GRANTS_BURST = 2 * PER_ACCOUNT_MAX
GRANTS_REFILL_SECONDS = 1.0

MICROSECONDS = 1_000_000

WRONG_PASSWORD = "The JID or the password is wrong."  # noqa: S105 - a sentence, no password
_WRONG_TOKEN = "This refresh token is not valid: sign in again."  # noqa: S105
_REVOKED = "This sign-in was revoked, or has expired: sign in again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The answer to a sign-in, or to a refresh token."""

    sign_in: SignIn
    access_token: str = field(repr=False)
    access_seconds: int  #: lifetime of the access token
    refresh_token: str = field(repr=False)


class SignIns:
    """Signs users in, renews their tokens, and revokes them."""

    def __init__(
        self,
        store: interface.SignIns,
        access: AccessTokens,
        authenticator: Authenticator,
        hosts: Hosts,
        *,
        refresh_days: int,
        clock: Callable[[], int] = now,
        grants: TokenBucket | None = None,
        on_password: Callable[[str, str], None] | None = None,
        others: Authenticator | None = None,
        is_usable: Callable[[str], bool] = lambda _: True,
        refusal_seconds: float = 0.0,
    ) -> None:
        """`authenticator` checks passwords; `clock` returns microseconds since the epoch.

        `grants` limits how often an account gets tokens. `on_password` is called with the JID and
        the right password of each sign-in. `others` checks the passwords of users of other hosts;
        None: they cannot sign in. A sign-in of a user ends when `is_usable` returns False. A
        refused sign-in takes `refusal_seconds`, whatever its reason.
        """
        self._store = store
        self._access = access
        self._authenticator = authenticator
        self._hosts = hosts
        self._clock = clock
        self._on_password = on_password
        self._others = others
        self._is_usable = is_usable
        self._refusal_seconds = refusal_seconds
        self._grants = grants or TokenBucket(GRANTS_BURST, GRANTS_REFILL_SECONDS)
        self._tickets = Tickets()
        #: set when the sign-ins of a user change, by the JID of the user
        self._watching: dict[str, set[asyncio.Event]] = {}
        self._pending = 0  # passwords of sign-ins that are checked at the moment
        self._refresh_micros = refresh_days * 24 * 3600 * MICROSECONDS

    def replace_lifetimes(self, *, access_seconds: int, refresh_days: int) -> None:
        """Give new tokens other lifetimes; those that were given keep theirs."""
        self._access.lifetime_seconds = access_seconds
        self._refresh_micros = refresh_days * 24 * 3600 * MICROSECONDS

    async def sign_in(self, jid: str, password: str, label: str = "") -> Tokens:
        """Return the tokens of a new sign-in of an account. `jid` is prepared.

        Raises NotAuthorized for a wrong password, RateLimited, NotAllowed, Overloaded.
        """
        token, at = RefreshToken.generate(), self._clock()
        revocations = await self.check_password(jid, password)
        row = SignIn(
            id=token.sign_in,
            jid=jid,
            label=label,
            created_at=at,
            refreshed_at=at,
            expires_at=at + self._refresh_micros,
            token_hash=token.hash,
        )
        await self.add(row, password, revocations)
        return self._tokens(row, token)

    async def check_password(self, jid: str, password: str) -> int:
        """Return how often all sign-ins of an account were revoked, if the password is right.

        `jid` is prepared. Raises NotAuthorized, RateLimited, NotAllowed, Overloaded.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self._refusal_seconds
        try:
            return await self._checked(jid, password)
        except NotAuthorized:
            # The time would tell which servers exist, and which of them can be reached.
            await asyncio.sleep(end - loop.time())
            raise

    async def _checked(self, jid: str, password: str) -> int:
        is_user = self._hosts.is_user(jid) or self._others is not None
        # ejabberd takes access tokens for passwords, even one that was revoked or, by its own
        # clock, has not expired. An access token gives nothing that lasts longer.
        if not is_user or is_token(password):
            raise NotAuthorized(WRONG_PASSWORD)
        self._check_grants(jid)
        with translated():
            revocations = await self._store.revocations(jid)
        if not await self._is_right(jid, password):
            raise NotAuthorized(WRONG_PASSWORD)
        return revocations

    async def add(self, row: SignIn, password: str, revocations: int) -> None:
        """Add a sign-in with the right password, as `check_password` said.

        Raises NotAuthorized if all sign-ins were revoked meanwhile, Overloaded.
        """
        with translated():
            is_added = await self._store.add(row, limit=PER_ACCOUNT_MAX, revocations=revocations)
        if not is_added:
            # The password has changed, or the account has gone, while it was checked.
            raise NotAuthorized(WRONG_PASSWORD)
        self.note_change(row.jid)
        self.granted(row.jid, password)

    def granted(self, jid: str, password: str) -> None:
        """Note that a right password has led to tokens."""
        self._grants.take(jid)
        self.remember(jid, password)

    def remember(self, jid: str, password: str) -> None:
        """Note the right password of a user, as that of a sign-in."""
        if self._on_password is not None:
            self._on_password(jid, password)

    def session_token(self, id: str) -> str:
        """Return the token of a session of the REST gateway."""
        return self._access.session_token(id)

    async def access_token(self, jid: str) -> str | None:
        """Return a new access token of a user, None if the user is signed in nowhere.

        Raises Overloaded.
        """
        rows = await self.list(jid)
        if not rows:
            return None
        return self._access.issue(jid, rows[0].id, self._clock() // MICROSECONDS)

    async def refresh(self, text: str) -> Tokens:
        """Return new tokens for a refresh token, which is used up.

        A token that was used up before revokes its sign-in: somebody else has a copy of it. Within
        GRACE_SECONDS the same next token is returned instead. Raises NotAuthorized, RateLimited,
        Overloaded.
        """
        token = RefreshToken.parse(text)
        if token is None:
            raise NotAuthorized(_WRONG_TOKEN)
        row = await self._live(token.sign_in)
        if hmac.compare_digest(token.hash, row.token_hash):
            return await self._rotate(row, token)
        return await self._reused(row, token)

    async def renew_access(self, text: str) -> str:
        """Return a new access token for a refresh token, which stays the same.

        It is for APIs whose clients keep one refresh token. Raises NotAuthorized, RateLimited,
        Overloaded.
        """
        token = RefreshToken.parse(text)
        if token is None:
            raise NotAuthorized(_WRONG_TOKEN)
        row = await self._live(token.sign_in)
        if not hmac.compare_digest(token.hash, row.token_hash):
            raise NotAuthorized(_WRONG_TOKEN)
        self._check_grants(row.jid)
        await self._require_account(row.jid)
        self._grants.take(row.jid)
        return self._access.issue(row.jid, row.id, self._clock() // MICROSECONDS)

    def signature(self, text: str) -> str:
        """Return what proves that this program has made a text, in hexadecimal."""
        return self._access.signature(text)

    async def verify(self, access_token: str) -> AccessToken:
        """Return the claims of an access token whose sign-in is not revoked.

        Raises NotAuthorized, Overloaded.
        """
        return await self._unrevoked(self._access.verify(access_token))

    def ticket(self, token: AccessToken) -> str:
        """Return a ticket for one request of a user who has shown an access token."""
        return self._tickets.issue(token)

    async def redeem(self, ticket: str) -> AccessToken:
        """Return the access token that a ticket stands for; the ticket is used up.

        Raises NotAuthorized if it is not valid, or if the access token is not valid any more,
        Overloaded.
        """
        token = self._tickets.redeem(ticket)
        if token.expires_at * MICROSECONDS <= self._clock():
            raise ExpiredToken
        return await self._unrevoked(token)

    async def check(self, token: AccessToken) -> None:
        """Raise NotAuthorized if the sign-in of a token has ended, Overloaded."""
        await self._unrevoked(token)

    async def wait_ended(self, token: AccessToken, *, pause: float) -> None:
        """Return as soon as a token is not valid any more.

        A sign-in that this process revokes ends at once, any other one within `pause` seconds.
        """
        changed = asyncio.Event()
        self._watching.setdefault(token.jid, set()).add(changed)
        try:
            while (seconds := token.expires_at - self._clock() / MICROSECONDS) > 0:
                changed.clear()
                # While the store cannot be read, the sign-in may be valid.
                with suppress(Overloaded):
                    await self.check(token)
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(pause, seconds)):
                        await changed.wait()
        except NotAuthorized:
            return
        finally:
            watching = self._watching[token.jid]
            watching.discard(changed)
            if not watching:
                del self._watching[token.jid]

    async def find(self, id: str) -> SignIn | None:
        """Return a sign-in, None if it was revoked, or has expired. Raises Overloaded."""
        with translated():
            row = await self._store.get(id)
        if row is None or row.expires_at <= self._clock() or not self._is_usable(row.jid):
            return None
        return row

    def is_access_token(self, text: str) -> bool:
        """Return whether a text is an access token of ours, expired or revoked or not."""
        return self._access.is_own(text)

    async def list(self, jid: str) -> tuple[SignIn, ...]:
        """Return the sign-ins of a user, the latest first. Raises Overloaded."""
        with translated():
            rows = await self._store.list(jid)
        at = self._clock()
        return tuple(row for row in rows if row.expires_at > at)

    async def revoke(self, jid: str, id: str) -> None:
        """Revoke a sign-in of a user. Raises ItemNotFound, Overloaded."""
        with translated():
            is_removed = await self._store.remove(jid, id)
        if not is_removed:
            raise ItemNotFound("There is no such sign-in.")
        self.note_change(jid)

    async def revoke_all(self, jid: str) -> int:
        """Revoke all sign-ins of a user, and return their number. Raises Overloaded."""
        with translated():
            count = await self._store.remove_all(jid)
        self.note_change(jid)
        return count

    def note_change(self, jid: str) -> None:
        """Have those who wait for the end of a sign-in look again."""
        for changed in self._watching.get(jid, ()):
            changed.set()

    def missed(self) -> None:
        """Have all look again who wait for the end of a sign-in: any may have ended."""
        for jid in self._watching:
            self.note_change(jid)

    async def _live(self, id: str) -> SignIn:
        """Return a sign-in that was neither revoked nor has expired. Raises NotAuthorized."""
        row = await self.find(id)
        if row is None:
            raise NotAuthorized(_REVOKED)
        return row

    async def _unrevoked(self, token: AccessToken) -> AccessToken:
        """Return a token whose sign-in is not revoked. Raises NotAuthorized, Overloaded."""
        row = await self._live(token.sign_in)
        if row.jid != token.jid:
            raise NotAuthorized(_REVOKED)
        return token

    async def _is_right(self, jid: str, password: str) -> bool:
        """Return whether a password is right. Raises Overloaded, RateLimited, NotAllowed."""
        if self._pending >= PENDING_MAX:
            raise Overloaded("Too many sign-ins are under way: try again shortly.")
        self._pending += 1
        try:
            if self._others is not None and not self._hosts.is_user(jid):
                return await self._others.authenticate(jid, password)
            return await self._authenticator.authenticate(jid, password)
        finally:
            self._pending -= 1

    async def _may_stay(self, jid: str) -> bool:
        """Return whether an account exists, as far as its source tells."""
        if not self._hosts.is_user(jid):
            return True
        try:
            return await self._authenticator.exists(jid)
        except NotAllowed:
            return True

    async def _require_account(self, jid: str) -> None:
        """Revoke the sign-ins of an account that is gone, and raise NotAuthorized."""
        if not await self._may_stay(jid):
            await self.revoke_all(jid)
            raise NotAuthorized(_REVOKED)

    def _check_grants(self, jid: str) -> None:
        """Raise RateLimited if an account has got too many tokens.

        Only its owner uses them up, so a stranger cannot lock the account.
        """
        seconds = self._grants.seconds(jid)
        if seconds:
            raise RateLimited(
                "This account signs in or refreshes too often: try again later.",
                retry_seconds=seconds,
            )

    async def _rotate(self, row: SignIn, token: RefreshToken) -> Tokens:
        self._check_grants(row.jid)
        await self._require_account(row.jid)
        salt, at = new_salt(), self._clock()
        following = token.next(salt)
        rotated = replace(
            row,
            refreshed_at=at,
            expires_at=at + self._refresh_micros,
            token_hash=following.hash,
            previous_hash=row.token_hash,
            salt=salt,
        )
        with translated():
            is_rotated = await self._store.rotate(rotated)
        if is_rotated:
            self._grants.take(row.jid)
            return self._tokens(rotated, following)
        # Another request, perhaps in another process, has used the same token at the same moment.
        repeated = self._repeated(await self._live(row.id), token)
        if repeated is None:
            # The token was in use when this request came, so it is no sign of a copy.
            raise NotAuthorized(_WRONG_TOKEN)
        return repeated

    def _repeated(self, row: SignIn, token: RefreshToken) -> Tokens | None:
        """Return the tokens that replaced a token just now, None if they did not."""
        # If the clock was set back, the time since then is not known.
        seconds = abs(self._clock() - row.refreshed_at) / MICROSECONDS
        if hmac.compare_digest(token.hash, row.previous_hash) and seconds <= GRACE_SECONDS:
            return self._tokens(row, token.next(row.salt))
        return None

    async def _reused(self, row: SignIn, token: RefreshToken) -> Tokens:
        """Return the tokens that replaced a token just now, or revoke the sign-in.

        Raises NotAuthorized.
        """
        repeated = self._repeated(row, token)
        if repeated is not None:
            return repeated
        with translated():
            await self._store.remove(row.jid, row.id)
        self.note_change(row.jid)
        log.warning(
            "a refresh token of %s was used twice: its sign-in %s is revoked", row.jid, row.id
        )
        raise NotAuthorized(_REVOKED)

    def _tokens(self, row: SignIn, token: RefreshToken) -> Tokens:
        return Tokens(
            sign_in=row,
            access_token=self._access.issue(row.jid, row.id, self._clock() // MICROSECONDS),
            access_seconds=self._access.lifetime_seconds,
            refresh_token=str(token),
        )
