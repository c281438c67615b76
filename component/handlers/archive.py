"""Archives that the operator's module keeps; implements `ArchiveCalls`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from component.core.errors import Conflict, Failed, NotAuthorized
from component.core.ports import ArchiveCalls
from component.core.xml.jids import local
from component.handlers.functions import Function, Handlers, type_parameter
from component.handlers.loading import READ_PARAMETERS

#: A limit is read up to this many digits: no archive has as many messages.
LIMIT_DIGITS = 18

log = logging.getLogger(__name__)


class HandlerArchive:
    """Calls the functions of the module, and another archive where there is no function."""

    def __init__(self, handlers: Handlers, fallback: ArchiveCalls) -> None:
        self._handlers = handlers
        self._fallback = fallback

    async def store(self, host: str, fields: Mapping[str, object]) -> None:
        """Store a message. Raises NotAuthorized, Conflict if it was not stored, Failed."""
        store = self._handlers.archive_store
        if store is None:
            return await self._fallback.store(host, fields)
        if not fields.get("username"):
            raise _no_username()
        outcome = await store(host, dict(fields))
        if outcome is True or outcome is None:
            return None
        reason = outcome if isinstance(outcome, str) else ""
        log.warning("%s did not store a message: %s", store.name, reason or type(outcome).__name__)
        raise Conflict(reason or "The message was not stored.")

    async def read(self, host: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the answer of the module. Raises NotAuthorized, Failed."""
        get = self._handlers.archive_get
        if get is None:
            return await self._fallback.read(host, parameters)
        outcome = await get(host, _username(parameters), **_arguments(get, parameters))
        if outcome is None or outcome is False:
            raise NotAuthorized("there is no such archive")
        try:
            return _page(outcome, parameters)
        except ValueError as error:
            log.error("%s did not return an archive: %s", get.name, error)
            raise Failed from error

    async def count(self, host: str, parameters: Mapping[str, str]) -> int:
        """Return the number of messages that the module gives. Raises NotAuthorized, Failed."""
        if self._handlers.archive_get is None:
            return await self._fallback.count(host, parameters)
        count: int = (await self.read(host, parameters))["count"]
        return count


def _username(parameters: Mapping[str, str]) -> str:
    # Callers from before 2016 give the JID of the user instead.
    username = parameters.get("username") or local(parameters.get("jid", ""))
    if not username:
        raise _no_username()
    return username


def _no_username() -> NotAuthorized:
    return NotAuthorized("username: missing: say whose archive is meant")


def _arguments(get: Function, parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a request by the names that the function has for them."""
    names = {name: name for name in READ_PARAMETERS}
    names["type" if parameters.get("type") else "chat_type"] = type_parameter(get.parameters)
    if get.takes("page"):
        names["page"] = "page"
    return {names[name]: value for name, value in parameters.items() if value and name in names}


def _page(outcome: object, parameters: Mapping[str, str]) -> Mapping[str, Any]:
    """Return an answer with `count` and `complete`. Raises ValueError if it is no archive."""
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
    # A module may still return a string of digits, as callers of 2016 expected.
    return {**outcome, "count": int(count), "complete": complete}
