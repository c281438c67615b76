"""A request to run a command of Muniment's own: of a caller of the API, or of an operator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from component.core.access.principals import Principal, User
from component.core.ejabberd_api.arguments import Value
from component.core.errors import BadRequest
from component.core.xml.jids import Jids, domain, local, resource


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRequest:
    """The arguments of a command, and the principal that gives it."""

    principal: Principal
    arguments: Mapping[str, Value] = field(repr=False)
    #: of a caller who authenticated with a password: the sessions of the user can log in with it
    password: str | None = field(default=None, repr=False)

    def text(self, name: str) -> str:
        """Return an argument as text, "" if it is not given."""
        return str(self.arguments.get(name, ""))

    def all(self, name: str) -> tuple[str, ...]:
        """Return the elements of a list."""
        value = self.arguments.get(name, [])
        return tuple(value) if isinstance(value, list) else (str(value),)

    def account(self, jids: Jids, user: str = "user", host: str = "host") -> str:
        """Return the bare JID in two arguments, prepared. Raises BadRequest."""
        return _address(jids, self.text(user), self.text(host), f"{user} and {host}")

    def room(self, jids: Jids) -> str:
        """Return the bare JID of the room, prepared. Raises BadRequest."""
        return _address(jids, self.text("room"), self.text("service"), "room and service")

    def is_of(self, jid: str) -> bool:
        """Return whether the principal is the user with a bare JID."""
        return self.principal == User(jid)


#: Runs a command and returns its bare result. Raises Refused, ApiRefusal.
OwnRunner = Callable[[OwnRequest], Awaitable[Any]]

#: Lets the sessions of a user log in, with a password if it is known. Raises Refused.
SignIn = Callable[[str, str | None], Awaitable[None]]


def _address(jids: Jids, user: str, host: str, names: str) -> str:
    try:
        prepared = jids.prepare(f"{user}@{host}")
    except BadRequest as error:
        raise BadRequest(f"{names}: {error.message}") from error
    # A blank or a slash in one of them would move the border between the two.
    if not local(prepared) or resource(prepared) or "@" in user or "@" in domain(prepared):
        raise BadRequest(f"{names}: expected a name and a domain")
    return prepared
