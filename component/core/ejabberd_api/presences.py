"""The presence of users, for those with whom they share it (RFC 6121 section 4.3)."""

from __future__ import annotations

from typing import Any

from component.core.ejabberd_api.backend import Backend
from component.core.ejabberd_api.calls import Call
from component.core.ejabberd_api.catalogue import BY_NAME
from component.core.ejabberd_api.definitions import ApiRole

#: Subscriptions of a contact who sees the presence of the owner of a roster.
_SEEING = ("from", "both")

_ROSTER = BY_NAME["get_roster"]


class PresenceCommands:
    """Runs get_presence on ejabberd."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def get(self, call: Call) -> Any:
        """Return a presence; for users who may not see it the one of an absent user."""
        user, host = call.text("user"), call.text("host")
        if call.caller.role is not ApiRole.USER or await self._is_shared(user, host, call):
            return await self._backend.run(call.definition, call.arguments, call.signature)
        return {"jid": f"{user}@{host}", "show": "unavailable", "status": ""}

    async def _is_shared(self, user: str, host: str, call: Call) -> bool:
        """Return whether the roster of a user shares the presence with the caller."""
        jid = call.caller.jid
        if f"{user}@{host}" == jid:
            return True
        roster = await self._backend.run(_ROSTER, {"user": user, "host": host})
        return any(row["jid"] == jid and row["subscription"] in _SEEING for row in roster)
