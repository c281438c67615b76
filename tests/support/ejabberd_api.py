"""ejabberd's API over a real store in memory, without an ejabberd or with a fake of its API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from component.core.access.audit import Audit
from component.core.ejabberd_api.callers.passwords import CheckedPasswords
from component.core.ejabberd_api.callers.permissions import Permissions
from component.core.ejabberd_api.native.backend import Backend, Reply
from component.core.ejabberd_api.native.rooms import NS_MUC
from component.core.ejabberd_api.refusals import Unreachable
from component.web.server.settings import Services
from component.wiring import ejabberd_api
from component.xmpp.connection.addresses import Addresses

ADMIN = "admin@example.org"
SERVICE = "api@example.org"

PERMISSIONS = Permissions(
    jids=Addresses(), admins=frozenset({ADMIN}), services=frozenset({SERVICE})
)


@dataclass
class FakeModHttpApi:
    """A fake of mod_http_api: answers each command as a test says, and notes the requests.

    A list has the replies to a command in turn; the last one stays.
    """

    release: str = "26.07"
    replies: dict[str, Reply | Unreachable | list[Reply]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    is_up: bool = True

    async def request(self, path: str, arguments: Mapping[str, object]) -> Reply:
        """Return or raise the reply of the test to a command, by default 0."""
        if not self.is_up:
            raise Unreachable
        command = path.partition("/")[0]
        if command == "status":
            return Reply(200, f"The node is started. ejabberd {self.release} is running in it")
        self.requests.append((path, dict(arguments)))
        reply = self.replies.get(command, Reply(200, 0))
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        if isinstance(reply, Unreachable):
            raise reply
        return reply


class FakeRooms:
    """A fake of the server's rooms: the domains that begin with `conference.` have rooms."""

    async def features(self, room: str) -> frozenset[str] | None:
        """Return the features of a room or a domain."""
        return frozenset({NS_MUC} if room.startswith("conference.") else {})

    def forget(self, room: str) -> None:
        """Do nothing: no answer is remembered."""


def with_ejabberd_api(
    services: Services,
    fake: FakeModHttpApi | None = None,
    permissions: Permissions = PERMISSIONS,
) -> Services:
    """Return services that serve ejabberd's API; without a fake ejabberd is unreachable."""
    passwords = CheckedPasswords(services.accounts.authenticator)
    service = ejabberd_api.service(
        Backend(fake or FakeModHttpApi(is_up=False)),
        permissions,
        Audit(services.storage.audit_log, services.writer),
        passwords,
        services.sign_ins,
        services.sender,
        services.session_actions,
        services.commands.context.own_commands,
        FakeRooms(),
    )
    return replace(services, ejabberd_api=service, checked_passwords=passwords)
