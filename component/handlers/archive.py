"""Answer the archive routes of Remote Data from the operator's module.

As in djabberd, a function receives the fields or parameters of a request unchanged, also those
that Muniment does not know, and returns an answer in the form of the contract.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from component.core.errors import Conflict, Failed, NotAuthorized, NotImplementedHere
from component.core.xml.jids import local
from component.handlers.functions import Function, Handlers, type_parameter
from component.handlers.loading import READ_PARAMETERS

#: The number of digits of a limit that count: no archive has more messages.
LIMIT_DIGITS = 18

log = logging.getLogger(__name__)


class HandlerArchive:
    """The archive of the operator's module, for the functions that the module has."""

    def __init__(self, handlers: Handlers) -> None:
        self._store = handlers.archive_store
        self._get = handlers.archive_get

    @property
    def stores(self) -> bool:
        """Whether the module stores messages."""
        return self._store is not None

    @property
    def reads(self) -> bool:
        """Whether the module returns pages of archives."""
        return self._get is not None

    async def store(self, host: str, fields: Mapping[str, object]) -> None:
        """Call the module to store a message.

        Raises NotAuthorized if the username is missing, Conflict if the module did not store the
        message, Failed if the function raised an exception.
        """
        if self._store is None:
            raise NotImplementedHere
        if not fields.get("username"):
            raise _no_username()
        outcome = await self._store(host, dict(fields))
        if outcome is True or outcome is None:
            return
        reason = outcome if isinstance(outcome, str) else ""
        log.warning(
            "%s did not store a message for %s: %s",
            self._store.name,
            host,
            reason or type(outcome).__name__,
        )
        raise Conflict(reason or "The message was not stored.")

    async def read(self, host: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """Return a page of the module, with `archive`, `count` and `complete`.

        Raises NotAuthorized if the username is missing or the archive does not exist, Failed if
        the function raised an exception or returned no page.
        """
        if self._get is None:
            raise NotImplementedHere
        outcome = await self._get(host, _username(parameters), **_arguments(self._get, parameters))
        if outcome is None or outcome is False:
            raise NotAuthorized("there is no such archive")
        try:
            return _page(outcome, parameters)
        except ValueError as error:
            log.error("%s did not return a page of an archive: %s", self._get.name, error)
            raise Failed from error


def _username(parameters: Mapping[str, str]) -> str:
    # Callers older than 2016 send the JID of the user instead.
    username = parameters.get("username") or local(parameters.get("jid", ""))
    if not username:
        raise _no_username()
    return username


def _no_username() -> NotAuthorized:
    return NotAuthorized("username: missing: it names the owner of the archive")


def _arguments(get: Function, parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a request as the keyword arguments that `archive_get` takes."""
    keywords = {name: name for name in READ_PARAMETERS}
    keywords["type" if parameters.get("type") else "chat_type"] = type_parameter(get.parameters)
    if get.takes("page"):
        keywords["page"] = "page"
    return {
        keywords[name]: value for name, value in parameters.items() if value and name in keywords
    }


def _page(outcome: object, parameters: Mapping[str, str]) -> Mapping[str, Any]:
    """Return an outcome with `count` and `complete`. Raises ValueError unless it is a page."""
    items = outcome.get("archive") if isinstance(outcome, Mapping) else None
    if not isinstance(outcome, Mapping) or not isinstance(items, list | tuple):
        raise ValueError('expected {"archive": [...]}')
    if not all(isinstance(item, Mapping) for item in items):
        raise ValueError("a message is not an object")
    limit = parameters.get("limit", "")
    is_last = not limit.isdecimal() or len(items) < int(limit[:LIMIT_DIGITS])
    count, complete = outcome.get("count", len(items)), outcome.get("complete", is_last)
    if isinstance(count, bool) or not isinstance(count, int | str):
        raise ValueError("count: expected a number")
    if not isinstance(complete, bool):
        raise ValueError("complete: expected True or False")
    # Callers of 2016 expected a string of digits, so a module of that time may return one.
    return {**outcome, "count": int(count), "complete": complete}
