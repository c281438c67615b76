"""The presence of users, for those with whom they share it (RFC 6121 section 4.3)."""

from __future__ import annotations

from typing import Any

from component.core.access.principals import User
from component.core.ejabberd_api.calls import Call
from component.core.ejabberd_api.catalogue import BY_NAME
from component.core.ejabberd_api.definitions import ApiRole
from component.core.ejabberd_api.document import REFUSED
from component.core.ejabberd_api.native.backend import NO_SUCH_SESSION, Backend
from component.core.ejabberd_api.own.request import SignIn
from component.core.ejabberd_api.refusals import ApiRefusal, bad_argument
from component.core.ejabberd_api.results import DONE
from component.core.events.values import STATUS_MAX
from component.core.sessions.actions import SessionActions
from component.core.sessions.outgoing import Show

#: Subscriptions of a contact who sees the presence of the owner of a roster.
_SEEING = ("from", "both")

_AVAILABLE = "available"

_ROSTER = BY_NAME["get_roster"]


class PresenceCommands:
    """Runs get_presence and set_presence on ejabberd."""

    def __init__(self, backend: Backend, actions: SessionActions | None, sign_in: SignIn) -> None:
        """`actions` are None where users have no sessions."""
        self._backend = backend
        self._actions = actions
        self._sign_in = sign_in

    async def get(self, call: Call) -> Any:
        """Return a presence; for users who may not see it the one of an absent user."""
        user, host = call.text("user"), call.text("host")
        if call.caller.role is not ApiRole.USER or await self._is_shared(user, host, call):
            return await self._backend.run(call.definition, call.arguments, call.signature)
        return {"jid": f"{user}@{host}", "show": "unavailable", "status": ""}

    async def set(self, call: Call) -> Any:
        """Set the presence of a session of the user.

        In the document's dialect a user who has no session with the resource gets one: that of
        Muniment. It has neither the resource nor the priority of the call.
        """
        try:
            return await self._backend.run(call.definition, call.arguments, call.signature)
        except ApiRefusal as refusal:
            is_available = call.text("type") == _AVAILABLE
            if refusal.message != NO_SUCH_SESSION or not is_available or not self._is_own(call):
                raise
        if self._actions is None:
            raise ApiRefusal(400, NO_SUCH_SESSION, reason=REFUSED)
        show = call.text("show")
        if show and show not in list(Show):
            raise bad_argument(f"show: expected one of {', '.join(Show)}, or nothing")
        if len(call.text("status")) > STATUS_MAX:
            raise bad_argument(f"status: too long: {STATUS_MAX} characters at most")
        await self._sign_in(call.caller.jid, call.password)
        user = User(call.caller.jid)
        await self._actions.set_presence(user, Show(show) if show else None, call.text("status"))
        return DONE

    def _is_own(self, call: Call) -> bool:
        """Return whether a session of Muniment can set the presence."""
        return call.version is None and call.caller.role is ApiRole.USER

    async def _is_shared(self, user: str, host: str, call: Call) -> bool:
        """Return whether the roster of a user shares the presence with the caller."""
        jid = call.caller.jid
        if f"{user}@{host}" == jid:
            return True
        roster = await self._backend.run(_ROSTER, {"user": user, "host": host})
        return any(row["jid"] == jid and row["subscription"] in _SEEING for row in roster)
