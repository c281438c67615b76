"""Decide who may call which command: by role, and for users by the account that is named.

A caller has one of three roles. The configuration may change the roles of a command; it cannot
let everybody call one, or let users act on the accounts of others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from component.core.ejabberd_api.arguments import Value
from component.core.ejabberd_api.definitions import Account, ApiRole, Definition
from component.core.ejabberd_api.refusals import NOT_PERMITTED_CODE, ApiRefusal
from component.core.errors import BadRequest
from component.core.xml.jids import Jids, bare, domain, local

#: Ejabberd's text of a refusal; the rule is in a header.
NOT_PERMITTED = "AccessRules: Account does not have the right to perform the operation."


@dataclass(frozen=True, slots=True)
class Caller:
    """An account that has authenticated, and its role."""

    jid: str  #: bare, prepared
    role: ApiRole


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a call is permitted, and by which rule."""

    is_permitted: bool
    rule: str  #: a name without blanks, for a header
    explanation: str  #: a sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """The roles of accounts, and the roles that may call each command."""

    jids: Jids
    admins: frozenset[str] = frozenset()  #: bare JIDs, prepared
    services: frozenset[str] = frozenset()
    #: by command, the roles that the configuration sets
    access: Mapping[str, frozenset[ApiRole]] = field(default_factory=dict)
    #: commands that only ejabberd knows and admins may call; "*" stands for all
    passed_on: Collection[str] = ()

    def caller(self, jid: str) -> Caller:
        """Return an account with its role."""
        if jid in self.admins:
            return Caller(jid, ApiRole.ADMIN)
        return Caller(jid, ApiRole.SERVICE if jid in self.services else ApiRole.USER)

    def is_passed_on(self, command: str) -> bool:
        """Return whether a command without a definition is passed on to ejabberd."""
        return command in self.passed_on or "*" in self.passed_on

    def decide_role(self, caller: Caller, definition: Definition) -> Decision:
        """Decide by the role of the caller alone."""
        name = definition.name
        roles = self.access.get(name, definition.roles)
        allowed = [role for role in ApiRole if role is ApiRole.ADMIN or role in roles]
        source = "ejabberd_api.access" if name in self.access else "the default"
        return Decision(
            caller.role in allowed,
            f"access.{name}",
            f"{name} is for {_listed(allowed)} by {source}, and {caller.jid} has the role "
            f'"{caller.role}".',
        )

    def decide_account(
        self, caller: Caller, definition: Definition, arguments: Mapping[str, Value]
    ) -> Decision:
        """Decide by the account that the arguments name: users act on their own account only."""
        account = definition.account
        if caller.role is not ApiRole.USER or account is None:
            return Decision(
                True, "own-account", "The rule about the own account does not apply to the call."
            )
        names = [name for name in (account.address, account.user, account.host) if name]
        if self._is_own(caller, account, arguments):
            return Decision(
                True, "own-account", f"{_listed(names)} must name {caller.jid}, and the call does."
            )
        return Decision(
            False,
            f"own-account.{names[0]}",
            f"{_listed(names)} must name {caller.jid}, because users act on their own account "
            "only.",
        )

    def own_arguments(
        self, caller: Caller, definition: Definition, arguments: Mapping[str, Value]
    ) -> Mapping[str, Value]:
        """Return the arguments of a permitted call, with the account as the caller's JID has it.

        So nobody else prepares the names that were compared, perhaps with another result.
        """
        account = definition.account
        if caller.role is not ApiRole.USER or account is None:
            return arguments
        if account.address:
            _, slash, resource = str(arguments[account.address]).partition("/")
            return {**arguments, account.address: f"{caller.jid}{slash}{resource}"}
        own: dict[str, Value] = {account.host: domain(caller.jid)}
        if account.user:
            own[account.user] = local(caller.jid)
        return {**arguments, **own}

    def _is_own(self, caller: Caller, account: Account, arguments: Mapping[str, Value]) -> bool:
        try:
            if account.address:
                return bare(self.jids.prepare(str(arguments[account.address]))) == caller.jid
            host = self.jids.prepare(str(arguments[account.host]))
            if not account.user:
                return host == domain(caller.jid)
            # Each part alone, because a name with a slash or an at sign could move the border.
            named = self.jids.prepare(f"{arguments[account.user]}@{host}")
        except BadRequest:
            return False
        is_whole = local(named) == local(caller.jid) and domain(named) == host
        return is_whole and named == caller.jid


def require(decision: Decision) -> None:
    """Raise ApiRefusal if a decision is a refusal."""
    if not decision.is_permitted:
        raise ApiRefusal(
            403,
            NOT_PERMITTED,
            reason="insufficient_permissions",
            code=NOT_PERMITTED_CODE,
            rule=decision.rule,
        )


def _listed(names: Collection[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
