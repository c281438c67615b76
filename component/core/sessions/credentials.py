"""How sessions log in: with an access token of ours, or with the password of the sign-in.

ejabberd accepts tokens only where it is configured so (docs/sign-in.md), which the first login on
a virtual host shows. A password is kept in memory alone, and only for hosts that take no tokens.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from component.core.xml.jids import domain

#: Passwords that are kept: those of the users who signed in last.
PASSWORDS_MAX = 5000

#: Seconds after which a host that refused a token is tried again: ejabberd may have been changed.
REFUSED_SECONDS = 3600.0

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

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` returns seconds."""
        self._clock = clock
        self._passwords: OrderedDict[str, str] = OrderedDict()
        #: by host: None if it accepts tokens, else until when it counts as refusing them
        self._refused_until: dict[str, float | None] = {}

    def remember(self, jid: str, password: str) -> None:
        """Keep the right password of a user who has signed in, unless the host accepts tokens."""
        if self._refused_until.get(domain(jid), 0.0) is None:
            return
        self._passwords[jid] = password
        self._passwords.move_to_end(jid)
        if len(self._passwords) > PASSWORDS_MAX:
            self._passwords.popitem(last=False)

    async def of(self, jid: str, issue: IssueToken) -> list[Credential]:
        """Return the credentials to try, the best one first; none: the user has to sign in.

        May raise Overloaded.
        """
        token = await issue(jid)
        if token is None:
            self._passwords.pop(jid, None)
            return []
        credentials = []
        refused_until = self._refused_until.get(domain(jid), 0.0)
        if refused_until is None or refused_until <= self._clock():
            credentials.append(Credential(jid, token, is_token=True))
        if jid in self._passwords:
            credentials.append(Credential(jid, self._passwords[jid], is_token=False))
        return credentials

    def accepted(self, credential: Credential) -> None:
        """Note that ejabberd accepted a credential."""
        host = domain(credential.jid)
        if credential.is_token and self._refused_until.get(host, 0.0) is not None:
            self._refused_until[host] = None
            for jid in [jid for jid in self._passwords if domain(jid) == host]:
                del self._passwords[jid]

    def refused(self, credential: Credential) -> None:
        """Note that ejabberd refused a credential."""
        if credential.is_token:
            self._refused_until[domain(credential.jid)] = self._clock() + REFUSED_SECONDS
        elif self._passwords.get(credential.jid) == credential.secret:
            del self._passwords[credential.jid]
