"""Run commands on the real ejabberd, whatever its release (mod_http_api).

Releases since 24.12 know all API versions, so a call goes there in the version of the caller.
Older releases get a call of version 0, which every release knows, and the names of that time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from component.core.ejabberd_api.arguments import Value
from component.core.ejabberd_api.definitions import (
    LATEST,
    ArgumentType,
    Definition,
    Signature,
)
from component.core.ejabberd_api.refusals import (
    INTERNAL,
    ApiRefusal,
    MissingCommand,
    Unreachable,
    bad_argument,
    no_endpoint,
)
from component.core.ejabberd_api.results import unwrapped

#: The releases since which a path has an API version, and since which there are all versions.
VERSIONED_SINCE = (24, 2)
COMPLETE_SINCE = (24, 12)

#: Seconds after which the release is asked for again.
RELEASE_SECONDS = 60.0

_RELEASE = re.compile(r"ejabberd (\d\d)\.(\d+)")

#: Texts of releases before 24.12, and the texts of today.
_TODAYS_TEXTS = {
    "Invalid 'service'": "Unknown host passed in 'service'",
}

#: The text of set_presence for a session that does not exist.
NO_SUCH_SESSION = "User session not found"

#: Commands that crash in releases before 24.12, and what they answer today for the usual reason.
_TODAYS_REFUSALS = {
    "set_presence": NO_SUCH_SESSION,
    "muc_online_rooms": "Unknown host passed in 'serverhost'",
    "create_room": "Unknown host passed in 'serverhost'",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of mod_http_api."""

    status: int
    data: Any


class EjabberdApi(Protocol):
    """A client of mod_http_api."""

    async def request(self, path: str, arguments: Mapping[str, object]) -> Reply:
        """Post to a path below the API, and return the answer.

        Raises Unreachable if ejabberd does not answer, or lets us not run the command.
        """
        ...


class Backend:
    """Runs commands of definitions, and of no definition, on ejabberd."""

    def __init__(self, api: EjabberdApi, clock: Callable[[], float] = monotonic) -> None:
        """`clock` returns seconds."""
        self._api = api
        self._clock = clock
        self._release: tuple[int, int] | None = None
        self._asked_at = 0.0

    async def release(self) -> tuple[int, int]:
        """Return the release of ejabberd, such as (24, 12). Raises Unreachable."""
        if self._release is None or self._clock() - self._asked_at > RELEASE_SECONDS:
            reply = await self._api.request("status", {})
            match = _RELEASE.search(str(reply.data))
            if match is None:
                raise Unreachable("ejabberd does not tell its release: its API is not known.")
            self._release = int(match[1]), int(match[2])
            self._asked_at = self._clock()
        return self._release

    async def run(
        self,
        definition: Definition,
        arguments: Mapping[str, Value],
        signature: Signature | None = None,
    ) -> Any:
        """Return the bare result of a native command.

        The arguments are those of a signature; None: of the newest one. Raises ApiRefusal for a
        refusal of ejabberd, Unreachable.
        """
        signature = signature or definition.signature(LATEST)
        release = await self.release()
        if release >= COMPLETE_SINCE:
            # Not in version 0 if that is avoidable: 24.12 then fails to write numbers and texts.
            is_newest = signature is definition.signature(LATEST)
            version = LATEST if is_newest else signature.since
            sent: Mapping[str, object] = arguments
        else:
            version, sent = 0, _of_version_0(signature, arguments)
        try:
            reply = await self._request(definition.name, sent, version, release)
        except ApiRefusal as refusal:
            if refusal.message == INTERNAL and release < COMPLETE_SINCE:
                raise _explained(definition.name, refusal) from refusal
            raise
        result = unwrapped(definition.result, reply, version)
        return _merged_groups(result) if definition.name == "get_roster" else result

    async def pass_on(self, command: str, arguments: Mapping[str, object], version: int) -> Any:
        """Return the body of a command that has no definition. Raises ApiRefusal, Unreachable."""
        try:
            return await self._request(command, arguments, version, await self.release())
        except MissingCommand:
            raise no_endpoint() from None

    async def call(self, command: str, **arguments: Value) -> Any:
        """Return the body of a command whose arguments are the same in versions 0 to 2.

        Releases before 24.02 wrap numbers and words. Raises ApiRefusal, Unreachable.
        """
        return await self._request(command, arguments, 2, await self.release())

    async def _request(
        self, command: str, arguments: Mapping[str, object], version: int, release: tuple[int, int]
    ) -> Any:
        path = f"{command}/v{version}" if release >= VERSIONED_SINCE else command
        reply = await self._api.request(path, arguments)
        if reply.status == 200:
            return reply.data
        raise _refusal(reply)


def _explained(command: str, refusal: ApiRefusal) -> ApiRefusal:
    """Return the refusal of newer releases for a call that crashes in older ones."""
    text = _TODAYS_REFUSALS.get(command)
    return refusal if text is None else ApiRefusal(400, text, reason="refused")


def _refusal(reply: Reply) -> ApiRefusal:
    """Return the refusal of a command by ejabberd, with the text and code of ejabberd."""
    if isinstance(reply.data, dict):
        message, code = str(reply.data.get("message", "")), reply.data.get("code")
        return ApiRefusal(
            reply.status, message, reason="refused", code=code if isinstance(code, int) else 0
        )
    message = str(reply.data)
    return ApiRefusal(reply.status, _TODAYS_TEXTS.get(message, message), reason="refused")


def _of_version_0(signature: Signature, arguments: Mapping[str, Value]) -> dict[str, Value]:
    """Return arguments with the names and types of version 0. Raises ApiRefusal."""
    converted: dict[str, Value] = {}
    for argument in signature.arguments:
        if argument.name not in arguments:
            continue
        value, name = arguments[argument.name], argument.name_before_24_12 or argument.name
        if isinstance(value, list):
            if any(argument.separator in element for element in value):
                raise bad_argument(
                    f"{argument.name}: this release of ejabberd allows no {argument.separator} "
                    "in an element"
                )
            value = argument.separator.join(value)
        elif argument.type is ArgumentType.INTEGER:
            value = str(value)
        converted[name] = value
    return converted


def _merged_groups(rows: Any) -> Any:
    """Return a roster with one row for each contact, as it is since 23.10.

    Older releases return a row for each group of a contact.
    """
    if not isinstance(rows, list) or not any("group" in row for row in rows):
        return rows
    contacts: dict[str, dict[str, Any]] = {}
    for row in rows:
        contact = contacts.setdefault(
            row["jid"],
            {
                "jid": row["jid"],
                "nick": row["nick"],
                "subscription": row["subscription"],
                "pending": row["ask"],
                "groups": [],
            },
        )
        if row["group"]:
            contact["groups"].append(row["group"])
    return [
        {**contacts[jid], "groups": sorted(contacts[jid]["groups"])} for jid in sorted(contacts)
    ]
