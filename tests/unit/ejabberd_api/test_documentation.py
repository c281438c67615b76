"""docs/ejabberd-api.md has the commands as they are defined."""

from __future__ import annotations

import re
from pathlib import Path

from component.core.ejabberd_api.catalogue import BY_NAME, DEFINITIONS
from component.core.ejabberd_api.definitions import ApiRole, Argument, ArgumentType

DOCS = Path(__file__).parents[3] / "docs/ejabberd-api.md"

#: The access lines of the document, by command.
ACCESS = {
    "register": "Admin only",
    "check_account": "Admin only",
    "change_password": "Admin only",
    "unregister": "Admin only",
    "muc_online_rooms": "Admin, API service, Users (with JWT)",
    "create_room": "Admin, API service, Local users",
    "get_room_occupants": "Admin, API service, Users (with JWT)",
    "get_room_options": "Admin, API service, Users (with JWT)",
    "destroy_room": "Admin, API service",
    "send_message": "Admin, API service, Local users",
    "send_chat_state": "Local users",
    "get_presence": "Admin, API service, Local users",
    "set_presence": "Admin, API service, Local users",
    "status": "Admin, API service, Users (with JWT)",
    "get_roster": "Admin, API service, Local users",
    "add_rosteritem": "Local users",
    "delete_rosteritem": "Local users",
    "subscribe_roster": "Local users",
    "get_vcard": "Admin, API service, Local users",
    "set_vcard": "Admin, API service, Local users",
    "connected_users": "Admin, API service, Users (with JWT)",
    "connected_users_number": "Admin, API service, Users (with JWT)",
    "connected_users_info": "Admin, API service, Users (with JWT)",
    "user_sessions_info": "Admin, API service, Users (with JWT)",
    "get_offline_count": "Local users",
    "get_user_rooms": "Local users",
    "join_room": "Local users",
    "leave_room": "Local users",
    "send_direct_invitation": "Local users",
}

TYPES = {
    ArgumentType.TEXT: "",
    ArgumentType.INTEGER: " (number)",
    ArgumentType.LIST: " (list)",
}


def written(argument: Argument) -> str:
    names = " or ".join(f"`{name}`" for name in (argument.name, *argument.former_names))
    optional = " (optional)" if argument.is_optional else ""
    return f"{names}{TYPES[argument.type]}{optional}"


def test_table_has_each_command_as_it_is_defined() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", DOCS.read_text(), re.MULTILINE)

    assert rows == [
        (
            definition.name,
            definition.description,
            ", ".join(map(written, definition.signatures[-1].arguments)) or "none",
            ", ".join(
                role for role in ApiRole if role is ApiRole.ADMIN or role in definition.roles
            ),
        )
        for definition in DEFINITIONS
    ]


def test_each_command_is_defined_once() -> None:
    names = [definition.name for definition in DEFINITIONS]

    assert len(names) == len(set(names))


def test_roles_are_those_of_the_access_lines_of_the_document() -> None:
    roles = {
        name: {
            role
            for role, words in (
                (ApiRole.SERVICE, ("API service",)),
                (ApiRole.USER, ("Local users", "Users (with JWT)")),
            )
            if any(word in access for word in words)
        }
        for name, access in ACCESS.items()
    }

    assert roles == {name: set(BY_NAME[name].roles) for name in ACCESS}


def test_text_lists_the_commands_that_services_may_not_call() -> None:
    text = DOCS.read_text().partition("the role `service` may not call ")[2].partition(". ")[0]

    assert re.findall(r"`(\w+)`", text) == [
        definition.name for definition in DEFINITIONS if ApiRole.SERVICE not in definition.roles
    ]
