"""Runs calls: checks the arguments, decides about permission, writes the audit log, runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from component.core.access.audit import Audit, describe_fields
from component.core.ejabberd_api.arguments import Given, check_arguments
from component.core.ejabberd_api.callers.permissions import Caller, Decision, Permissions, require
from component.core.ejabberd_api.calls import NO_OPTIONS, Call, CallOptions, Forecaster, Runner
from component.core.ejabberd_api.catalogue import BY_NAME
from component.core.ejabberd_api.definitions import LATEST, ApiRole, Definition, Visibility
from component.core.ejabberd_api.native.backend import Backend
from component.core.ejabberd_api.native.rooms import RoomCommands
from component.core.ejabberd_api.refusals import (
    ApiRefusal,
    bad_argument,
    duplicate_argument,
    no_endpoint,
)
from component.core.errors import Overloaded, Refused
from component.core.xml.jids import bare

log = logging.getLogger(__name__)

SEND_MESSAGE = "send_message"

#: Which of the two runs a command, in dry runs.
EJABBERD, MUNIMENT = "ejabberd", "Muniment"

#: The arguments that a dry run does not repeat, and what it shows in their place.
SECRETS = frozenset({"password", "newpass"})
HIDDEN = "(hidden)"

#: The arguments that the audit log shows: addresses, and no texts or passwords.
SHOWN = frozenset(
    {
        "affiliation",
        "from",
        "host",
        "localhost",
        "localuser",
        "name",
        "nick",
        "resource",
        "room",
        "service",
        "state",
        "subs",
        "to",
        "type",
        "user",
        "with",
    }
)

#: Maximum number of characters that the audit log shows of an argument. JIDs are shorter.
SHOWN_MAX = 3071


class EjabberdApiService:
    """Runs the commands of the API for callers who have authenticated."""

    def __init__(
        self,
        permissions: Permissions,
        backend: Backend,
        audit: Audit,
        rooms: RoomCommands,
        runners: Mapping[str, Runner],
        forecasters: Mapping[str, Forecaster] | None = None,
    ) -> None:
        """`runners` run commands by name; ejabberd runs the others.

        `forecasters` are for commands whose arguments and rooms decide where they run.
        """
        self.permissions = permissions
        self._backend = backend
        self._audit = audit
        self._rooms = rooms
        self._runners = runners
        self._forecasters = forecasters or {}

    def find(self, name: str) -> Definition | None:
        """Return the definition of a command, None if only ejabberd knows it.

        Raises ApiRefusal if there is no such command.
        """
        definition = BY_NAME.get(name)
        if definition is None and not self.permissions.is_passed_on(name):
            raise no_endpoint()
        return definition

    @asynccontextmanager
    async def audited_refusals(self, caller: Caller, command: str) -> AsyncIterator[None]:
        """Write the refusal of a call that the block raises to the audit log, and raise it."""
        try:
            yield
        except (ApiRefusal, Refused) as error:
            refusal = error if isinstance(error, ApiRefusal) else ApiRefusal.of(error)
            await self._audit.record(
                caller.jid,
                f"api {command} refused",
                caller.jid,
                refusal.rule or refusal.reason,
            )
            raise

    async def run(
        self,
        caller: Caller,
        definition: Definition,
        given: Given,
        *,
        version: int | None,
        options: CallOptions = NO_OPTIONS,
        password: str | None = None,
    ) -> Any:
        """Return the bare result of a call; `version` is None in the document's dialect.

        The result of a dry run is an object, and that of send_message with the option `confirm` a
        Confirmation.

        Raises ApiRefusal, Refused.
        """
        async with self.audited_refusals(caller, definition.name):
            role = self.permissions.decide_role(caller, definition)
            call = self._checked(caller, definition, role, given, version, options, password)
            decisions = [role, *await self._decide(call)]
            own = self.permissions.own_arguments(caller, definition, call.arguments)
            call = replace(call, arguments=own)
        if options.is_dry_run:
            await self._record(call, "dry run, ")
            return await self._forecast(call, decisions)
        if definition.is_recorded_first:
            await self._record(call)
            return await self._execute(call)
        return await self._execute_while_recording(call)

    async def pass_on(
        self,
        caller: Caller,
        name: str,
        given: Given,
        *,
        version: int | None,
        options: CallOptions = NO_OPTIONS,
    ) -> Any:
        """Return the body of a command that only ejabberd knows, for admins.

        Raises ApiRefusal, Refused.
        """
        rule = "passed-on"
        async with self.audited_refusals(caller, name):
            is_admin = caller.role is ApiRole.ADMIN
            require(Decision(is_admin, rule, "Only admins call commands that are passed on."))
            _require_sending(name, options)
            _require_single(given)
        detail = f"dry run, {rule}" if options.is_dry_run else rule
        await self._audit.record(caller.jid, f"api {name}", caller.jid, detail)
        if options.is_dry_run:
            return {
                "dry_run": True,
                "command": name,
                # Muniment does not know which of them are secret.
                "arguments": dict.fromkeys((argument for argument, _ in given), HIDDEN),
                "run_by": EJABBERD,
                "role": caller.role,
                "permitted_by": [rule],
            }
        return await self._backend.pass_on(
            name, dict(given), LATEST if version is None else version
        )

    def _checked(
        self,
        caller: Caller,
        definition: Definition,
        role: Decision,
        given: Given,
        version: int | None,
        options: CallOptions,
        password: str | None,
    ) -> Call:
        """Return a call whose arguments are right, and which the role of the caller may make.

        ejabberd checks arguments before permissions. The document's dialect does it the other way
        round, so that callers without the role learn nothing.
        """
        if version is None:
            require(role)
            signature = definition.signature_for(frozenset(name for name, _ in given))
        else:
            signature = definition.signature(version)
        arguments = check_arguments(
            signature,
            given,
            as_in_ejabberd=definition.is_native and version is not None,
        )
        require(role)
        _require_sending(definition.name, options)
        return Call(
            caller=caller,
            definition=definition,
            signature=signature,
            arguments=arguments,
            version=version,
            options=options,
            password=password,
        )

    async def _decide(self, call: Call) -> list[Decision]:
        """Return the decisions that permit a call, beside that by role. Raises ApiRefusal."""
        decisions = [self.permissions.decide_account(call.caller, call.definition, call.arguments)]
        require(decisions[-1])
        is_user = call.caller.role is ApiRole.USER
        if is_user and call.definition.visibility is Visibility.ROOM:
            decisions.append(await self._rooms.decide_visibility(call))
        elif is_user and call.definition.visibility is Visibility.SERVICE:
            decisions.append(await self._rooms.decide_service(call))
        require(decisions[-1])
        return decisions

    async def _execute(self, call: Call) -> Any:
        """Return the bare result. Raises ApiRefusal, Refused."""
        runner = self._runners.get(call.definition.name)
        if runner is not None:
            return await runner(call)
        return await self._backend.run(call.definition, call.arguments, call.signature)

    async def _execute_while_recording(self, call: Call) -> Any:
        """Return the bare result once the entry is durable too: both take about as long.

        Nothing is run if the store is known to fail. Raises ApiRefusal, Refused, and Overloaded
        for a command that was run without its entry.
        """
        recording = asyncio.ensure_future(self._record(call))
        # With its first step the entry is queued or refused, with the second one it is written.
        # The commit takes longer than most commands, so it begins before the request.
        for _ in range(2):
            await asyncio.sleep(0)
        if recording.done():
            await recording
        try:
            return await self._execute(call)
        finally:
            await self._finish(recording, call)

    async def _finish(self, recording: asyncio.Future[None], call: Call) -> None:
        """Wait until an entry is durable. Raises Overloaded, BadRequest."""
        try:
            await recording
        except Refused as error:
            name = call.definition.name
            log.error("%s called %s, and the audit log does not have it", call.caller.jid, name)
            if isinstance(error, Overloaded) and call.definition.changes:
                raise Overloaded(
                    f"The audit log cannot be written, but {name} may have been run."
                ) from error
            raise

    async def _record(self, call: Call, prefix: str = "") -> None:
        shown = _shown(call)
        await self._audit.record(
            call.caller.jid,
            f"api {call.definition.name}",
            self._subject(call)[:SHOWN_MAX] or call.caller.jid,
            f"{prefix}{describe_fields(shown)}",
        )

    def _subject(self, call: Call) -> str:
        """Return the account or the room that a call is about, as the call names it."""
        account = call.definition.account
        if account is not None and account.address:
            return bare(call.text(account.address))
        if account is not None and account.user:
            return f"{call.text(account.user)}@{call.text(account.host)}"
        if "room" in call.arguments:
            return f"{call.text('room')}@{call.text('service')}"
        return ""

    async def _forecast(self, call: Call, decisions: list[Decision]) -> dict[str, Any]:
        """Return what a call would do. Raises ApiRefusal, Refused if it would be refused."""
        definition = call.definition
        forecaster = self._forecasters.get(definition.name)
        run_by = EJABBERD if definition.is_native else MUNIMENT
        if forecaster is not None:
            run_by = await forecaster(call)
        return {
            "dry_run": True,
            "command": definition.name,
            "description": definition.description,
            "changes": definition.changes,
            "arguments": {
                name: HIDDEN if name in SECRETS else value
                for name, value in call.arguments.items()
            },
            "run_by": run_by,
            "role": call.caller.role,
            "permitted_by": [decision.rule for decision in decisions],
        }


def _require_sending(command: str, options: CallOptions) -> None:
    """Raise ApiRefusal for options of send_message with another command."""
    is_about_message = options.is_confirmed or options.message_id is not None
    if command != SEND_MESSAGE and is_about_message:
        raise bad_argument(f"confirm and id are for {SEND_MESSAGE} only")


def _require_single(given: Given) -> None:
    """Raise ApiRefusal for an argument that is given twice."""
    names = [name for name, _ in given]
    for name in names:
        if names.count(name) > 1:
            raise duplicate_argument(name)


def _shown(call: Call) -> dict[str, str]:
    shown = {name: str(value) for name, value in call.arguments.items() if name in SHOWN}
    return {name: value[:SHOWN_MAX] for name, value in shown.items()}
