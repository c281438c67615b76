"""Rosters of the operator's module; implements `core.rosters.protocol.EditableRosters`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from component.core.errors import BadRequest, Failed, ItemNotFound, NotAllowed
from component.core.rosters.contacts import REMOVE, SUBSCRIPTIONS, Change
from component.core.rosters.protocol import EditableRosters
from component.core.xml.characters import can_be_shown
from component.core.xml.jids import Jids, bare, domain, local
from component.handlers.functions import Function, Handlers
from storage.rows import Contact

log = logging.getLogger(__name__)


class HandlerRosters:
    """Asks the module for a roster at each read, as ejabberd does with its REST back end."""

    def __init__(self, module: str, ask: Function, jids: Jids) -> None:
        self._module = module
        self._ask = ask
        self._jids = jids

    def are_readable(self, host: str) -> bool:
        """Return True, because the module is always loaded."""
        return True

    async def roster(self, owner: str) -> tuple[Contact, ...]:
        """Return a roster. Raises ItemNotFound if the module does not know the user, or Failed."""
        answer = await self._ask(domain(owner), local(owner))
        if answer is None or answer is False:
            raise ItemNotFound("there is no such user")
        try:
            return tuple(self._contacts(answer, domain(owner)))
        except (ValueError, BadRequest) as error:
            log.error("%s did not return a roster: %s", self._ask.name, error)
            raise Failed from error

    async def change(self, owner: str, change: Change) -> None:
        """Raise NotAllowed, because the module has no function that changes a roster."""
        raise self._refusal()

    async def remove(self, owner: str, jid: str) -> None:
        """Raise NotAllowed, because the module has no function that changes a roster."""
        raise self._refusal()

    async def clear(self, owner: str) -> None:
        """Raise NotAllowed, because the module has no function that changes a roster."""
        raise self._refusal()

    def _refusal(self) -> NotAllowed:
        return NotAllowed(
            f"the rosters are those of {self._module} (handlers.module): change them there"
        )

    def _contacts(self, answer: object, host: str) -> Iterator[Contact]:
        items = answer.get("roster") if isinstance(answer, Mapping) else None
        if not isinstance(items, list | tuple):
            raise ValueError('expected {"roster": [...]}')
        for number, item in enumerate(items, 1):
            try:
                if not isinstance(item, Mapping):
                    raise ValueError("not an object")
                contact = self._contact(item, host)
            except (ValueError, BadRequest) as error:
                raise ValueError(f"item {number}: {error}") from error
            if contact is not None:
                yield contact

    def _contact(self, item: Mapping[str, object], host: str) -> Contact | None:
        subscription = _text(item, "subscription") or "none"
        if subscription == REMOVE:
            return None
        if subscription not in SUBSCRIPTIONS:
            raise ValueError(f"subscription: expected one of {', '.join(SUBSCRIPTIONS)}")
        groups = item.get("groups") or ()
        if not isinstance(groups, list | tuple) or not all(map(_is_text, groups)):
            raise ValueError("groups: expected a list of strings")
        name = _text(item, "nick")
        if not all(map(can_be_shown, (name, *groups))):
            raise ValueError("nick or groups: a character that XML does not allow")
        return Contact(
            jid=self._jid(item, host),
            name=name,
            subscription=subscription,
            ask="subscribe" if _text(item, "ask") == "subscribe" else "",
            groups=tuple(groups),
        )

    def _jid(self, item: Mapping[str, object], host: str) -> str:
        address = _text(item, "jid") or _text(item, "username")
        if not address:
            raise ValueError("it has neither jid nor username")
        return bare(self._jids.prepare(address if _text(item, "jid") else f"{address}@{host}"))


def known_rosters(handlers: Handlers, fallback: EditableRosters, jids: Jids) -> EditableRosters:
    """Return the rosters of the module if it has a function for them, otherwise `fallback`."""
    if handlers.retrieve_user_roster is None:
        return fallback
    return HandlerRosters(handlers.module, handlers.retrieve_user_roster, jids)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _text(item: Mapping[str, object], name: str) -> str:
    value = item.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name}: expected a string")
    return value or ""
