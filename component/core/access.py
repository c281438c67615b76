"""Who may read which archive: its owner, the occupants of a room, and operators on record."""

from __future__ import annotations

from collections.abc import Collection

from component.core import jids
from component.core.audit import Audit
from component.core.errors import Forbidden
from component.core.operators import Operator
from component.core.rooms import Rooms


class Access:
    """Lets those read an archive who may."""

    def __init__(
        self,
        hosts: Collection[str],
        operators: Collection[Operator],
        audit: Audit,
        rooms: Rooms | None,
    ) -> None:
        """`rooms` knows the archives of rooms, None where there are none."""
        self._hosts = frozenset(hosts)
        self._operators = {operator.jid: operator for operator in operators if operator.jid}
        self._audit = audit
        self._rooms = rooms

    async def authorize(self, requester: str, owner: str, action: str, detail: str = "") -> int:
        """Return since when one bare JID may do this with the archive of the other.

        That is in microseconds, 0 for all of it: who is in a room may not read what was said in
        another one that had its name. What an operator does is in the audit log before. Raises
        Forbidden, BadRequest, Overloaded.
        """
        if requester == owner and jids.local(owner) and jids.domain(owner) in self._hosts:
            return 0
        operator = self._operators.get(requester)
        if self._rooms and self._rooms.keeps(owner) and await self._rooms.admits(requester, owner):
            since = await self._rooms.since(owner)
            if operator is None or not since:
                return since
        if operator is None:
            raise Forbidden
        await self._audit.note(operator.name, action, owner, detail)
        return 0
