"""How sessions log in: with an access token of ours, or with the password of the sign-in.

ejabberd accepts tokens only where it is configured so (docs/sign-in.md), which the first logins on
a virtual host show. A password is kept in memory alone, and not for hosts that accept tokens.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field

from component.core.xml.jids import domain

#: Passwords that are kept, of users of ejabberd and of those of other servers: those of the users
#: who signed in last.
PASSWORDS_MAX = 5000

#: Seconds after which a token is tried again where one was refused: each refusal counts at
#: ejabberd as a wrong password.
REFUSED_SECONDS = 3600.0

#: So many accounts of a host have to be refused with tokens until the host counts as refusing
#: them: one account may be disabled.
REFUSALS = 3

#: Refused accounts that are remembered.
REFUSED_MAX = 5000

#: Returns an access token of a user, None if the user is signed in nowhere. May raise Overloaded.
IssueToken = Callable[[str], Awaitable[str | None]]


@dataclass(frozen=True, slots=True)
class Credential:
    """A token or a password of one account."""

    jid: str
    secret: str = field(repr=False)
    is_token: bool


class Credentials:
    """The credentials of all users who are signed in."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        is_other: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`clock` returns seconds.

        `is_other` returns whether a JID is on another server, which must not see a token of ours.
        """
        self._clock = clock
        self._is_other = is_other
        self._passwords: OrderedDict[str, str] = OrderedDict()
        self._other_passwords: OrderedDict[str, str] = OrderedDict()
        self._accepting: set[str] = set()  # hosts that accept tokens
        self._hosts: dict[str, float] = {}  # until when a host counts as refusing tokens
        self._accounts: OrderedDict[str, float] = OrderedDict()  # and an account

    def remember(self, jid: str, password: str) -> None:
        """Keep the right password of a user who has signed in, unless a token is enough."""
        if domain(jid) in self._accepting and jid not in self._accounts:
            return
        passwords = self._passwords_like(jid)
        passwords[jid] = password
        passwords.move_to_end(jid)
        if len(passwords) > PASSWORDS_MAX:
            passwords.popitem(last=False)

    def forget(self, jid: str) -> None:
        """Forget the password of a user who has signed out."""
        self._passwords_like(jid).pop(jid, None)

    def is_usable(self, jid: str) -> bool:
        """Return whether a sign-in is of use: on another server only with its password."""
        return not self._is_other(jid) or jid in self._other_passwords

    def _passwords_like(self, jid: str) -> OrderedDict[str, str]:
        return self._other_passwords if self._is_other(jid) else self._passwords

    async def of(self, jid: str, issue: IssueToken) -> list[Credential]:
        """Return the credentials to try, the best one first; none: the user has to sign in.

        May raise Overloaded.
        """
        token = await issue(jid)
        if token is None:
            self.forget(jid)
            return []
        credentials = []
        passwords = self._passwords_like(jid)
        if not self._is_other(jid) and not (
            self._is_refused(self._hosts, domain(jid)) or self._is_refused(self._accounts, jid)
        ):
            credentials.append(Credential(jid, token, is_token=True))
        if jid in passwords:
            credentials.append(Credential(jid, passwords[jid], is_token=False))
        return credentials

    def accepted(self, credential: Credential) -> None:
        """Note that ejabberd accepted a credential."""
        if not credential.is_token:
            return
        host = domain(credential.jid)
        self._hosts.pop(host, None)
        self._accounts.pop(credential.jid, None)
        if host not in self._accepting:
            self._accepting.add(host)
            for jid in [jid for jid in self._passwords if domain(jid) == host]:
                del self._passwords[jid]

    def refused(self, credential: Credential) -> None:
        """Note that ejabberd refused a credential."""
        jid, until = credential.jid, self._clock() + REFUSED_SECONDS
        if not credential.is_token:
            if self._passwords_like(jid).get(jid) == credential.secret:
                self.forget(jid)
            return
        self._accounts[jid] = until
        self._accounts.move_to_end(jid)
        if len(self._accounts) > REFUSED_MAX:
            self._accounts.popitem(last=False)
        host = domain(jid)
        refused = [jid for jid in list(self._accounts) if self._is_refused(self._accounts, jid)]
        if sum(domain(jid) == host for jid in refused) < REFUSALS:
            return
        if host in self._accepting:
            # It may have been configured anew: passwords are kept from now on.
            self._accepting.discard(host)
        else:
            self._hosts[host] = until

    def _is_refused(self, refused: MutableMapping[str, float], key: str) -> bool:
        if key in refused and refused[key] <= self._clock():
            del refused[key]
        return key in refused
