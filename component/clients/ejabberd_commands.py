"""Runs commands of the API for callers: a client of mod_http_api that passes answers on."""

from __future__ import annotations

from collections.abc import Mapping

from component.clients.ejabberd_http import EjabberdApi
from component.core.ejabberd_api.native.backend import Reply
from component.core.ejabberd_api.refusals import (
    Disallowed,
    MissingCommand,
    Unanswered,
    Unreachable,
)
from component.core.errors import ServerUnanswered, ServerUnreachable

#: Statuses and codes of a refusal that is not about the call, but about our own account.
_NOT_LET = (401, 403)

#: The code of ejabberd for a command that it does not know, and its text.
_NO_COMMAND = 40
_UNKNOWN_COMMAND = "unknown_command"

_NOT_ASKED = "ejabberd cannot be asked: accounts.api_url is not set."


class EjabberdCommands:
    """Posts commands to one ejabberd; implements `EjabberdApi` of `native.backend`."""

    def __init__(self, api: EjabberdApi | None) -> None:
        """`api` is None where no option says how to ask ejabberd."""
        self._api = api

    async def request(self, path: str, arguments: Mapping[str, object]) -> Reply:
        if self._api is None:
            raise Unreachable(_NOT_ASKED)
        try:
            answer = await self._api.post(path, arguments)
        except ServerUnanswered as error:
            raise Unanswered from error
        except ServerUnreachable as error:
            raise Unreachable from error
        code = answer.data.get("code") if isinstance(answer.data, dict) else None
        is_missing = code == _NO_COMMAND or answer.data == _UNKNOWN_COMMAND
        if is_missing:
            raise MissingCommand
        if answer.status in _NOT_LET:
            self._api.log_refusal(path, answer)
            raise Disallowed
        return Reply(answer.status, answer.data)
