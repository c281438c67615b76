"""Roles decide about commands, and users act on their own account only."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.ejabberd_api import ADMIN, PERMISSIONS, SERVICE

from component.core.ejabberd_api.callers.permissions import Decision
from component.core.ejabberd_api.catalogue import BY_NAME, DEFINITIONS
from component.core.ejabberd_api.definitions import ApiRole

ALICE = "alice@example.org"


def role_decision(jid: str, command: str) -> Decision:
    return PERMISSIONS.decide_role(PERMISSIONS.caller(jid), BY_NAME[command])


def account_decision(jid: str, command: str, **arguments: str) -> Decision:
    return PERMISSIONS.decide_account(PERMISSIONS.caller(jid), BY_NAME[command], arguments)


@pytest.mark.parametrize(
    ("jid", "role"),
    [(ADMIN, ApiRole.ADMIN), (SERVICE, ApiRole.SERVICE), (ALICE, ApiRole.USER)],
)
def test_account_has_the_configured_role(jid: str, role: ApiRole) -> None:
    assert PERMISSIONS.caller(jid).role is role


@pytest.mark.parametrize("command", [definition.name for definition in DEFINITIONS])
def test_admin_may_call_every_command(command: str) -> None:
    assert role_decision(ADMIN, command).is_permitted


# The "Access" column of the document.
@pytest.mark.parametrize(
    ("command", "service", "user"),
    [
        ("register", False, False),
        ("unregister", False, False),
        ("create_room", True, True),
        ("destroy_room", True, False),
        ("send_message", True, True),
        ("add_rosteritem", False, True),
        ("connected_users", True, True),
        ("get_offline_count", False, True),
    ],
)
def test_roles_are_those_of_the_document(command: str, service: bool, user: bool) -> None:
    assert role_decision(SERVICE, command).is_permitted is service
    assert role_decision(ALICE, command).is_permitted is user


def test_configuration_changes_roles_of_a_command() -> None:
    roles = {"connected_users": frozenset({ApiRole.SERVICE})}
    permissions = replace(PERMISSIONS, access=roles)

    decision = permissions.decide_role(permissions.caller(ALICE), BY_NAME["connected_users"])

    assert not decision.is_permitted
    assert decision.rule == "access.connected_users"
    assert decision.explanation == (
        "connected_users is for admin and service by ejabberd_api.access, and "
        'alice@example.org has the role "user".'
    )


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("get_roster", {"user": "alice", "host": "example.org"}),
        ("get_roster", {"user": "ALICE", "host": "Example.org"}),
        ("send_message", {"from": "alice@example.org"}),
        ("send_message", {"from": "alice@example.org/phone"}),
        ("add_rosteritem", {"localuser": "alice", "localhost": "example.org"}),
        ("create_room", {"host": "example.org"}),
    ],
)
def test_user_acts_on_the_own_account(command: str, arguments: dict[str, str]) -> None:
    assert account_decision(ALICE, command, **arguments).is_permitted


@pytest.mark.parametrize(
    ("command", "arguments", "expected"),
    [
        (
            "get_roster",
            {"user": "ALICE", "host": "Example.org"},
            {"user": "alice", "host": "example.org"},
        ),
        ("send_message", {"from": "ALICE@example.org/Phone"}, {"from": f"{ALICE}/Phone"}),
        ("create_room", {"host": "Example.org"}, {"host": "example.org"}),
        ("connected_users", {}, {}),
    ],
)
def test_call_of_a_user_has_the_names_of_the_own_account(
    command: str, arguments: dict[str, str], expected: dict[str, str]
) -> None:
    caller = PERMISSIONS.caller(ALICE)

    assert PERMISSIONS.own_arguments(caller, BY_NAME[command], arguments) == expected


@pytest.mark.parametrize(
    ("command", "arguments", "rule"),
    [
        ("get_roster", {"user": "bob", "host": "example.org"}, "own-account.user"),
        ("get_roster", {"user": "alice", "host": "example.net"}, "own-account.user"),
        ("get_roster", {"user": "", "host": "alice@example.org"}, "own-account.user"),
        ("get_roster", {"user": "alice@example.org/x", "host": "y"}, "own-account.user"),
        ("get_roster", {"user": "alice", "host": "example.org/x"}, "own-account.user"),
        ("send_message", {"from": "bob@example.org"}, "own-account.from"),
        ("send_message", {"from": "example.org"}, "own-account.from"),
        ("send_message", {"from": ""}, "own-account.from"),
        ("add_rosteritem", {"localuser": "bob", "localhost": "example.org"}, None),
        ("create_room", {"host": "example.net"}, "own-account.host"),
    ],
)
def test_user_never_acts_on_another_account(
    command: str, arguments: dict[str, str], rule: str | None
) -> None:
    decision = account_decision(ALICE, command, **arguments)

    assert not decision.is_permitted
    assert decision.rule == rule or rule is None


@pytest.mark.parametrize("jid", [ADMIN, SERVICE])
def test_admins_and_services_act_on_all_accounts(jid: str) -> None:
    assert account_decision(jid, "send_message", **{"from": ALICE}).is_permitted


def test_only_named_commands_are_passed_on() -> None:
    some = replace(PERMISSIONS, passed_on=("registered_users",))

    assert some.is_passed_on("registered_users")
    assert not some.is_passed_on("stop")
    assert replace(PERMISSIONS, passed_on=("*",)).is_passed_on("stop")
    assert not PERMISSIONS.is_passed_on("stop")
