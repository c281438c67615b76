"""`muniment permissions explain`: say which rule permits or refuses a call of ejabberd's API."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

from component.cli.exit_codes import FAILED, OK, USAGE
from component.cli.failures import fail
from component.cli.parsers import Parsers, add_json
from component.config import Config
from component.core.ejabberd_api.arguments import Value, check_arguments
from component.core.ejabberd_api.callers.permissions import Decision, Permissions
from component.core.ejabberd_api.catalogue import BY_NAME
from component.core.ejabberd_api.definitions import ApiRole, Definition, Visibility
from component.core.ejabberd_api.refusals import ApiRefusal
from component.core.errors import BadRequest
from component.core.wording import did_you_mean
from component.core.xml.jids import local, resource

NAME = "permissions"

_SEEN = {
    Visibility.ROOM: "room-visibility: the caller also has to see the room; ejabberd decides.",
    Visibility.SERVICE: "room-service: the domain also has to be one of rooms; it says so itself.",
    Visibility.PRESENCE: "a user sees the presence of those who share it; ejabberd decides.",
}


def add_parser(parsers: Parsers, common: argparse.ArgumentParser) -> None:
    """Add the parser of the command."""
    parser = parsers.add_parser(
        NAME,
        help="explain the permissions of ejabberd's API",
        description="Explain who may call which command of ejabberd's API, by the configuration.",
    )
    actions = parser.add_subcommands("action", "ACTION")
    explain = actions.add_parser(
        "explain",
        parents=[common],
        help="say which rule permits or refuses a call",
        description="Say which rule permits or refuses a call of an account. Without arguments "
        "of the call, only the role of the account decides. The exit code is 1 for a refusal.",
        examples=(
            "muniment permissions explain ann@chat.example get_roster",
            "muniment permissions explain ann@chat.example get_roster user=ann host=chat.example",
        ),
    )
    explain.add_argument("user", metavar="USER", help="bare JID of the account")
    explain.add_argument("api_command", metavar="COMMAND", help="such as get_roster")
    explain.add_argument(
        "arguments", nargs="*", metavar="NAME=VALUE", help="all arguments of the call"
    )
    add_json(explain)


class Wrong(Exception):
    """The arguments are wrong; the message says how."""


def run(permissions: Permissions, config: Config, options: argparse.Namespace) -> int:
    """Print an explanation, and return an exit code."""
    notes = []
    if not config.ejabberd_api.enabled:
        notes.append("ejabberd's API is not served: ejabberd_api.enabled is false.")
    try:
        reasons, is_permitted = _explained(permissions, options)
    except Wrong as error:
        return fail(str(error), USAGE, in_json=options.json)
    if options.json:
        data = {"permitted": is_permitted, "reasons": reasons, "notes": notes}
        print(json.dumps(data, ensure_ascii=False))
    else:
        for line in (*notes, *reasons, "permitted" if is_permitted else "refused"):
            print(line)
    return OK if is_permitted else FAILED


def _explained(permissions: Permissions, options: argparse.Namespace) -> tuple[list[str], bool]:
    """Return the reasons of a decision, and whether the call is permitted. Raises Wrong."""
    try:
        jid = permissions.jids.prepare(options.user)
    except BadRequest as error:
        raise Wrong(f"{options.user}: {error.message}") from error
    if not local(jid) or resource(jid):
        raise Wrong(f"{options.user}: expected a bare JID, such as ann@chat.example")
    definition = BY_NAME.get(options.api_command)
    if definition is None:
        return _of_unknown(permissions, jid, options.api_command)
    given = [tuple(text.partition("=")[::2]) for text in options.arguments]
    try:
        arguments = _checked(definition, given) if given else None
    except ApiRefusal as refusal:
        raise Wrong(refusal.message) from refusal
    decisions = _decisions(permissions, jid, definition, arguments)
    reasons = [f"{decision.rule}: {decision.explanation}" for decision in decisions]
    is_permitted = all(decision.is_permitted for decision in decisions)
    is_user = permissions.caller(jid).role is ApiRole.USER
    if is_permitted and is_user and definition.visibility is not None:
        reasons.append(_SEEN[definition.visibility])
    return reasons, is_permitted


def _decisions(
    permissions: Permissions,
    jid: str,
    definition: Definition,
    arguments: Mapping[str, Value] | None,
) -> list[Decision]:
    caller = permissions.caller(jid)
    decisions = [permissions.decide_role(caller, definition)]
    if arguments is not None:
        decisions.append(permissions.decide_account(caller, definition, arguments))
    return decisions


def _checked(definition: Definition, given: list[tuple[str, str]]) -> dict[str, Value]:
    signature = definition.signature_for(frozenset(name for name, _ in given))
    return check_arguments(signature, given, as_in_ejabberd=False)


def _of_unknown(permissions: Permissions, jid: str, name: str) -> tuple[list[str], bool]:
    if not permissions.is_passed_on(name):
        hint = did_you_mean(name, BY_NAME)
        raise Wrong(f"there is no command {name}{hint} (see ejabberd_api.passed_on)")
    is_admin = permissions.caller(jid).role is ApiRole.ADMIN
    one = "one" if is_admin else "none"
    reason = f"passed-on: only admins call commands that are passed on, and {jid} is {one}."
    return [reason], is_admin
