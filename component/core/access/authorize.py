"""Decide who may read which archive: its owner, users whom a room admits, operators.

XMPP and HTTP both ask this module. `roles` decides about all rights other than reading archives.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import StrEnum

from component.core.access.audit import Audit
from component.core.access.principals import Operator, Principal, User, operator_with
from component.core.access.rooms import Rooms
from component.core.access.served import ServedArchives
from component.core.errors import Forbidden
from component.core.hosts import Hosts


class Action(StrEnum):
    """What a principal does with an archive; the audit log has these words."""

    READ = "read"
    SEARCH = "search"
    CONVERSATIONS = "conversations"
    STREAM = "stream"
    EXPORT = "export"
    PREFERENCES = "preferences"  #: read and set archiving preferences; only owners may


class Authorizer:
    """Authorizes principals to read archives, and records each read by an operator or the server.

    Users read their own archives, and those of rooms that would admit them. Over XMPP operators
    are users too: a user whose address is that of an operator acts as this operator if a user may
    not read the archive, or not all of it.
    """

    def __init__(
        self,
        hosts: Hosts,
        operators: Collection[Operator],
        audit: Audit,
        rooms: Rooms | None,
        served: ServedArchives | None = None,
        is_other: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`hosts` are the virtual hosts whose users have archives here.

        `rooms` knows the archives of rooms, None: there are none. `served` knows on which domains
        operators may look for archives, None: on all. `is_other` returns whether a JID is that of
        a user of another server who may sign in here.
        """
        self._hosts = hosts
        self._operators = operators
        self._audit = audit
        self._rooms = rooms
        self._served = served
        self._is_other = is_other

    def for_users(self, is_other: Callable[[str], bool] = lambda _: False) -> Authorizer:
        """Return an authorizer without operators: every user has only the rights of a user.

        With `is_other`, also users of other servers have archives.
        """
        return Authorizer(self._hosts, (), self._audit, self._rooms, self._served, is_other)

    async def authorize(
        self, principal: Principal, owner: str, action: Action, detail: str = ""
    ) -> int:
        """Return the time from which on `principal` may read the archive of `owner`.

        The time is in microseconds, 0 means everything: occupants of a room do not read messages
        of a predecessor with the same name. A read by an operator or by the server is durable in
        the audit log at the return. Raises Forbidden, ItemNotFound, BadRequest, Overloaded.
        """
        if action is Action.PREFERENCES:
            if not self._is_owner(principal, owner):
                raise Forbidden("these preferences are not yours")
            return 0
        if isinstance(principal, User):
            since = await self._since_as_user(principal, owner)
            operator = operator_with(principal.jid, self._operators)
            if since is not None and (since == 0 or operator is None):
                return since
            if operator is None:
                raise Forbidden
            principal = operator
        if self._served:
            await self._served.check(owner, principal)
        await self._audit.record(principal.name, action, owner, detail)
        return 0

    def _is_owner(self, principal: Principal, owner: str) -> bool:
        is_user = self._hosts.is_user(owner) or self._is_other(owner)
        return is_user and principal == User(owner)

    async def _since_as_user(self, user: User, owner: str) -> int | None:
        """Return the earliest readable time for a user without a role, None: nothing."""
        if self._is_owner(user, owner):
            return 0
        rooms = self._rooms
        if rooms is None or not rooms.has_archive(owner):
            return None
        return await rooms.since(owner) if await rooms.admits(user.jid, owner) else None
