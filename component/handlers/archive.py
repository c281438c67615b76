"""Answer the archive routes of Remote Data from the operator's module.

The functions take a request as it came and answer in the words of the contract, as djabberd calls
them: fields and parameters stay as they are, known to Muniment or not.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from component.core.errors import Conflict, Failed, NotAuthorized, NotImplementedHere
from component.core.xml.jids import local
from component.handlers.functions import Function, Handlers, type_parameter
from component.handlers.loading import READING

#: A limit of this many digits is beyond the end of any archive.
BEYOND_DIGITS = 18

log = logging.getLogger(__name__)


class HandlerArchive:
    """The archive of the operator's module, as far as the module has functions for it."""

    def __init__(self, handlers: Handlers) -> None:
        self._store = handlers.archive_store
        self._get = handlers.archive_get

    @property
    def stores(self) -> bool:
        """Whether the module stores messages."""
        return self._store is not None

    @property
    def reads(self) -> bool:
        """Whether the module gives pages of archives."""
        return self._get is not None

    async def store(self, host: str, fields: Mapping[str, object]) -> None:
        """Have the module store a message.

        Raises NotAuthorized without a username, Conflict if the module did not store it, Failed.
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

        Raises NotAuthorized without a username or where there is no such archive, Failed.
        """
        if self._get is None:
            raise NotImplementedHere
        outcome = await self._get(host, _username(parameters), **_arguments(self._get, parameters))
        if outcome is None or outcome is False:
            raise NotAuthorized("there is no such archive")
        try:
            return _page(outcome, parameters)
        except ValueError as error:
            log.error("%s returned no archive: %s", self._get.name, error)
            raise Failed from error


def _username(parameters: Mapping[str, str]) -> str:
    # Callers from before 2016 write the JID of the user instead.
    username = parameters.get("username") or local(parameters.get("jid", ""))
    if not username:
        raise _no_username()
    return username


def _no_username() -> NotAuthorized:
    return NotAuthorized("username: missing: say whose archive is meant")


def _arguments(get: Function, parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters of a request as the keyword arguments that `archive_get` takes."""
    keywords = {name: name for name in READING}
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
    is_last = not limit.isdecimal() or len(items) < int(limit[:BEYOND_DIGITS])
    count, complete = outcome.get("count", len(items)), outcome.get("complete", is_last)
    if isinstance(count, bool) or not isinstance(count, int | str):
        raise ValueError("count: expected a number")
    if not isinstance(complete, bool):
        raise ValueError("complete: expected True or False")
    # A caller of 2016 expected a string of digits, so its module may return one.
    return {**outcome, "count": int(count), "complete": complete}
