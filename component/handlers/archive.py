"""Archives that the operator's module keeps; implements `core.remote_data.ArchiveCalls`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from component.core.errors import Conflict, Failed, NotAuthorized
from component.core.remote_data.protocol import ArchiveCalls
from component.core.xml.jids import local
from component.handlers.functions import Function, Handlers, type_parameter
from component.handlers.loading import READING

#: A limit of this many digits is beyond the end of any archive.
BEYOND_DIGITS = 18

log = logging.getLogger(__name__)


class HandlerArchive:
    """Asks the module what it has a function for, and another archive for the rest."""

    def __init__(self, handlers: Handlers, otherwise: ArchiveCalls) -> None:
        self._handlers = handlers
        self._otherwise = otherwise

    async def store(self, host: str, fields: Mapping[str, object]) -> None:
        """Have a message stored. Raises NotAuthorized, Conflict where it was not, Failed."""
        store = self._handlers.archive_store
        if store is None:
            return await self._otherwise.store(host, fields)
        if not fields.get("username"):
            raise _nobody()
        outcome = await store(host, dict(fields))
        if outcome is True or outcome is None:
            return None
        why = outcome if isinstance(outcome, str) else ""
        log.warning("%s did not store a message: %s", store.name, why or type(outcome).__name__)
        raise Conflict(why or "The message was not stored.")

    async def read(self, host: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what the module answers. Raises NotAuthorized, Failed."""
        get = self._handlers.archive_get
        if get is None:
            return await self._otherwise.read(host, parameters)
        outcome = await get(host, _username(parameters), **_asked(get, parameters))
        if outcome is None or outcome is False:
            raise NotAuthorized("there is no such archive")
        try:
            return _page(outcome, parameters)
        except ValueError as error:
            log.error("%s answered no archive: %s", get.name, error)
            raise Failed from error

    async def count(self, host: str, parameters: Mapping[str, str]) -> int:
        """Return how many messages the module says there are. Raises NotAuthorized, Failed."""
        if self._handlers.archive_get is None:
            return await self._otherwise.count(host, parameters)
        count: int = (await self.read(host, parameters))["count"]
        return count


def _username(parameters: Mapping[str, str]) -> str:
    # Callers of before 2016 write the JID of the user instead, of which this is the name.
    username = parameters.get("username") or local(parameters.get("jid", ""))
    if not username:
        raise _nobody()
    return username


def _nobody() -> NotAuthorized:
    return NotAuthorized("username: missing: say whose archive is meant")


def _asked(get: Function, parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what is wanted of an archive by the names that the function has for it."""
    known = {name: name for name in READING}
    known["type" if parameters.get("type") else "chat_type"] = type_parameter(get.parameters)
    if get.takes("page"):
        known["page"] = "page"
    return {known[name]: value for name, value in parameters.items() if value and name in known}


def _page(outcome: object, parameters: Mapping[str, str]) -> Mapping[str, Any]:
    """Return an answer with all that a caller needs. Raises ValueError where it is none."""
    items = outcome.get("archive") if isinstance(outcome, Mapping) else None
    if not isinstance(outcome, Mapping) or not isinstance(items, list | tuple):
        raise ValueError('expected {"archive": [...]}')
    if not all(isinstance(item, Mapping) for item in items):
        raise ValueError("a message is not an object")
    limit = parameters.get("limit", "")
    is_last = not limit.isdecimal() or len(items) < int(limit[:BEYOND_DIGITS])
    count, complete = outcome.get("count", len(items)), outcome.get("complete", is_last)
    if isinstance(count, bool) or not isinstance(count, int | str):
        raise ValueError("count: expected a number")
    if not isinstance(complete, bool):
        raise ValueError("complete: expected True or False")
    # A string of digits is what a caller of 2016 wanted, and so its module may say.
    return {**outcome, "count": int(count), "complete": complete}
