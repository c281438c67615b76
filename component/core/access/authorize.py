"""Who may read which archive: its owner, the occupants of a room, and operators on record."""

from __future__ import annotations

from collections.abc import Collection

from component.core.access.audit import Audit
from component.core.access.principals import Operator
from component.core.access.rooms import Rooms
from component.core.access.served import ServedArchives
from component.core.errors import Forbidden
from component.core.hosts import Hosts


class Access:
    """Lets those read an archive who may."""

    def __init__(
        self,
        hosts: Hosts,
        operators: Collection[Operator],
        audit: Audit,
        rooms: Rooms | None,
        served: ServedArchives | None = None,
    ) -> None:
        """`rooms` knows the archives of rooms, None where there are none.

        `served` knows on which domains operators may look for archives, None: on all.
        """
        self._hosts = hosts
        self._operators = {operator.jid: operator for operator in operators if operator.jid}
        self._audit = audit
        self._rooms = rooms
        self._served = served

    async def authorize(self, requester: str, owner: str, action: str, detail: str = "") -> int:
        """Return since when one bare JID may do this with the archive of the other.

        That is in microseconds, 0 for all of it: who is in a room may not read what was said in
        another one that had its name. What an operator does is in the audit log before. Raises
        Forbidden, ItemNotFound, BadRequest, Overloaded.
        """
        if requester == owner and self._hosts.is_user(owner):
            return 0
        operator = self._operators.get(requester)
        if self._rooms and self._rooms.keeps(owner) and await self._rooms.admits(requester, owner):
            since = await self._rooms.since(owner)
            if operator is None or not since:
                return since
        if operator is None:
            raise Forbidden
        if self._served:
            await self._served.check(owner, operator)
        await self._audit.record(operator.name, action, owner, detail)
        return 0
