"""The commands of ejabberd that the API has, each defined once.

Names, arguments and results are those of ejabberd 24.12 and newer in each API version. The roles
are those of the "Access" column of the document; admins may call every command.
"""

from __future__ import annotations

from component.core.ejabberd_api.definitions import (
    Account,
    ApiRole,
    Argument,
    ArgumentType,
    Category,
    Definition,
    Result,
    ResultKind,
    Signature,
    Visibility,
)
from component.core.ejabberd_api.own.definitions import OWN

_SERVICE = frozenset({ApiRole.SERVICE})
_USER = frozenset({ApiRole.USER})
_EVERY_ROLE = frozenset({ApiRole.SERVICE, ApiRole.USER})

_DONE = Result(ResultKind.CODE, is_acknowledgement=True)
_MESSAGE = Result(ResultKind.MESSAGE, is_acknowledgement=True)

USER_AND_HOST = Account(user="user", host="host")
LOCAL_USER = Account(user="localuser", host="localhost")

HOST = Argument(name="host", former_names=("server",))
LOCALHOST = Argument(name="localhost", former_names=("localserver",))
ROOM = Argument(name="room", former_names=("name",), name_before_24_12="name")
_GROUPS = Argument(name="groups", type=ArgumentType.LIST, name_before_24_12="group", separator=";")
_GROUP = Argument(name="group")
_USERS = Argument(name="users", type=ArgumentType.LIST, separator=":")

_PRIORITY = Argument(name="priority", type=ArgumentType.INTEGER)
_PRESENCE = ("user", "host", "resource", "type", "show", "status")

_SESSION_FIELDS = (
    "connection",
    "ip",
    "port",
    "priority",
    "node",
    "uptime",
    "status",
    "resource",
    "statustext",
)


def _arguments(*names: str | Argument) -> tuple[Argument, ...]:
    return tuple(name if isinstance(name, Argument) else Argument(name=name) for name in names)


def _taking(*names: str | Argument) -> tuple[Signature, ...]:
    """Return the signatures of a command whose arguments are the same in all versions."""
    return (Signature(0, _arguments(*names)),)


NATIVE = (
    Definition(
        name="register",
        category=Category.USERS,
        description="Create an account",
        signatures=_taking("user", "host", "password"),
        result=_MESSAGE,
        account=USER_AND_HOST,
        changes=True,
    ),
    Definition(
        name="check_account",
        category=Category.USERS,
        description="Say whether an account exists: 0 if it does, 1 if it does not",
        signatures=_taking("user", "host"),
        result=Result(ResultKind.CODE),
        account=USER_AND_HOST,
    ),
    Definition(
        name="change_password",
        category=Category.USERS,
        description="Change the password of an account",
        signatures=_taking("user", "host", "newpass"),
        result=_DONE,
        account=USER_AND_HOST,
        changes=True,
    ),
    Definition(
        name="unregister",
        category=Category.USERS,
        description="Remove an account",
        signatures=_taking("user", "host"),
        result=_MESSAGE,
        account=USER_AND_HOST,
        changes=True,
    ),
    Definition(
        name="muc_online_rooms",
        category=Category.ROOMS,
        description="List the rooms of a service; users see the public ones",
        signatures=_taking(Argument(name="service", former_names=("host",))),
        result=Result(ResultKind.LIST, "rooms"),
        roles=_EVERY_ROLE,
    ),
    Definition(
        name="create_room",
        category=Category.ROOMS,
        description="Create a room; a user becomes its owner",
        signatures=_taking(ROOM, "service", "host"),
        result=_DONE,
        roles=_EVERY_ROLE,
        account=Account(host="host"),
        visibility=Visibility.SERVICE,
        changes=True,
    ),
    Definition(
        name="get_room_occupants",
        category=Category.ROOMS,
        description="List the occupants of a room",
        signatures=_taking(ROOM, "service"),
        result=Result(ResultKind.ROWS, "occupants", ("jid", "nick", "role")),
        roles=_EVERY_ROLE,
        visibility=Visibility.ROOM,
    ),
    Definition(
        name="get_room_options",
        category=Category.ROOMS,
        description="Return the options of a room",
        signatures=_taking(ROOM, "service"),
        result=Result(ResultKind.PAIRS, "options"),
        roles=_EVERY_ROLE,
        visibility=Visibility.ROOM,
    ),
    Definition(
        name="destroy_room",
        category=Category.ROOMS,
        description="Destroy a room",
        signatures=_taking(ROOM, "service"),
        result=_DONE,
        roles=_SERVICE,
        changes=True,
    ),
    Definition(
        name="send_direct_invitation",
        category=Category.ROOMS,
        description="Invite users to a room",
        signatures=(
            Signature(0, _arguments(ROOM, "service", "password", "reason", "users")),
            Signature(1, _arguments(ROOM, "service", "password", "reason", _USERS)),
        ),
        result=_DONE,
        roles=_USER,
        visibility=Visibility.ROOM,
        changes=True,
    ),
    Definition(
        name="get_user_rooms",
        category=Category.ROOMS,
        description="List the rooms in which a user is",
        signatures=_taking("user", "host"),
        result=Result(ResultKind.LIST, "rooms"),
        roles=_USER,
        account=USER_AND_HOST,
    ),
    Definition(
        name="send_message",
        category=Category.MESSAGES,
        description="Send a message to a user or a room",
        signatures=_taking("type", "from", "to", "subject", "body"),
        result=_DONE,
        roles=_EVERY_ROLE,
        account=Account(address="from"),
        changes=True,
    ),
    Definition(
        name="get_presence",
        category=Category.PRESENCE,
        description="Return the presence of a user; users see who shares it with them",
        signatures=_taking("user", HOST),
        result=Result(ResultKind.ROW, "presence", ("jid", "show", "status")),
        roles=_EVERY_ROLE,
        visibility=Visibility.PRESENCE,
    ),
    Definition(
        name="set_presence",
        category=Category.PRESENCE,
        description="Set the presence of a session",
        signatures=(
            Signature(0, _arguments(*_PRESENCE, "priority")),
            Signature(1, _arguments(*_PRESENCE, _PRIORITY)),
        ),
        result=_DONE,
        roles=_EVERY_ROLE,
        account=USER_AND_HOST,
        changes=True,
    ),
    Definition(
        name="get_roster",
        category=Category.ROSTERS,
        description="List the contacts of a user",
        signatures=_taking("user", HOST),
        result=Result(
            ResultKind.ROWS, "contacts", ("jid", "nick", "subscription", "pending", "groups")
        ),
        roles=_EVERY_ROLE,
        account=USER_AND_HOST,
    ),
    Definition(
        name="add_rosteritem",
        category=Category.ROSTERS,
        description="Put a contact on the roster of a user",
        signatures=(
            Signature(0, _arguments("localuser", LOCALHOST, "user", HOST, "nick", _GROUP, "subs")),
            Signature(
                1, _arguments("localuser", LOCALHOST, "user", HOST, "nick", _GROUPS, "subs")
            ),
        ),
        result=_DONE,
        roles=_USER,
        account=LOCAL_USER,
        changes=True,
    ),
    Definition(
        name="delete_rosteritem",
        category=Category.ROSTERS,
        description="Remove a contact from the roster of a user",
        signatures=_taking("localuser", LOCALHOST, "user", HOST),
        result=_DONE,
        roles=_USER,
        account=LOCAL_USER,
        changes=True,
    ),
    Definition(
        name="get_vcard",
        category=Category.VCARDS,
        description="Return a field of a vCard, or all fields in the document's dialect",
        signatures=_taking("user", "host", Argument(name="name", is_optional=True)),
        result=Result(ResultKind.TEXT, "content"),
        roles=_EVERY_ROLE,
        account=USER_AND_HOST,
    ),
    Definition(
        name="set_vcard",
        category=Category.VCARDS,
        description="Set a field of a vCard",
        signatures=_taking("user", "host", Argument(name="name", is_element=True), "content"),
        result=_DONE,
        roles=_EVERY_ROLE,
        account=USER_AND_HOST,
        changes=True,
    ),
    Definition(
        name="status",
        category=Category.SYSTEM,
        description="Return the state of ejabberd",
        signatures=_taking(),
        result=Result(ResultKind.MESSAGE),
        roles=_EVERY_ROLE,
    ),
    Definition(
        name="connected_users",
        category=Category.SYSTEM,
        description="List the sessions of all users",
        signatures=_taking(),
        result=Result(ResultKind.LIST, "connected_users"),
        roles=_EVERY_ROLE,
    ),
    Definition(
        name="connected_users_number",
        category=Category.SYSTEM,
        description="Count the sessions of all users",
        signatures=_taking(),
        result=Result(ResultKind.INTEGER, "num_sessions"),
        roles=_EVERY_ROLE,
    ),
    Definition(
        name="connected_users_info",
        category=Category.SYSTEM,
        description="Describe the sessions of all users",
        signatures=_taking(),
        result=Result(ResultKind.ROWS, "connected_users_info", ("jid", *_SESSION_FIELDS)),
        roles=_EVERY_ROLE,
    ),
    Definition(
        name="user_sessions_info",
        category=Category.SYSTEM,
        description="Describe the sessions of a user",
        signatures=_taking("user", "host"),
        result=Result(ResultKind.ROWS, "sessions_info", _SESSION_FIELDS),
        roles=_EVERY_ROLE,
        account=USER_AND_HOST,
    ),
    Definition(
        name="get_offline_count",
        category=Category.SYSTEM,
        description="Count the messages that wait for a user",
        signatures=_taking("user", HOST),
        result=Result(ResultKind.INTEGER, "value"),
        roles=_USER,
        account=USER_AND_HOST,
    ),
)

DEFINITIONS = (*NATIVE, *OWN)

BY_NAME = {definition.name: definition for definition in DEFINITIONS}
