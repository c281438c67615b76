"""The definitions of the commands that Muniment itself runs."""

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
)

_USER = frozenset({ApiRole.USER})

_DONE = Result(ResultKind.CODE, is_acknowledgement=True)

_USER_AND_HOST = Account(user="user", host="host")
_LOCAL_USER = Account(user="localuser", host="localhost")

_LOCALHOST = Argument(name="localhost", former_names=("localserver",))
_HOST = Argument(name="host", former_names=("server",))
_ROOM = Argument(name="room", former_names=("name",))


def _taking(*names: str | Argument) -> tuple[Signature, ...]:
    arguments = (name if isinstance(name, Argument) else Argument(name=name) for name in names)
    return (Signature(0, tuple(arguments)),)


def _optional(name: str) -> Argument:
    return Argument(name=name, is_optional=True)


#: The arguments that select a page of an archive, as in the archive API.
_PAGE = (
    _optional("start"),
    _optional("end"),
    _optional("after"),
    _optional("before"),
    Argument(name="limit", type=ArgumentType.INTEGER, is_optional=True),
    _optional("order"),
    _optional("view"),
)

_MESSAGES = Result(ResultKind.ROW, "archive", ("messages", "count", "next", "complete"))
_PREFERENCES = Result(ResultKind.ROW, "preferences", ("default", "always", "never"))


def _archive(name: str) -> Definition:
    return Definition(
        name=name,
        category=Category.ARCHIVES,
        description="Read a page of the archive of a user",
        signatures=_taking("user", "host", _optional("with"), *_PAGE),
        result=_MESSAGES,
        roles=_USER,
        account=_USER_AND_HOST,
        is_native=False,
    )


def _subscription(name: str, description: str) -> Definition:
    return Definition(
        name=name,
        category=Category.ROSTERS,
        description=description,
        signatures=_taking("localuser", _LOCALHOST, "user", _HOST),
        result=_DONE,
        roles=_USER,
        account=_LOCAL_USER,
        changes=True,
        is_native=False,
    )


SEND_CHAT_STATE = Definition(
    name="send_chat_state",
    category=Category.MESSAGES,
    description="Send a chat state to a user",
    signatures=_taking("from", "to", "state"),
    result=_DONE,
    roles=_USER,
    account=Account(address="from"),
    changes=True,
    is_native=False,
)
SUBSCRIBE_ROSTER = _subscription("subscribe_roster", "Ask to see the presence of a contact")
UNSUBSCRIBE_ROSTER = _subscription(
    "unsubscribe_roster", "End the subscription to the presence of a contact"
)
JOIN_ROOM = Definition(
    name="join_room",
    category=Category.ROOMS,
    description="Have a user enter a room, or subscribe to it",
    signatures=_taking("user", "host", _ROOM, "service", "nick"),
    result=_DONE,
    roles=_USER,
    account=_USER_AND_HOST,
    changes=True,
    is_native=False,
)
LEAVE_ROOM = Definition(
    name="leave_room",
    category=Category.ROOMS,
    description="Have a user leave a room that join_room entered or subscribed to",
    signatures=_taking("user", "host", _ROOM, "service"),
    result=_DONE,
    roles=_USER,
    account=_USER_AND_HOST,
    changes=True,
    is_native=False,
)
MAM_RETRIEVE = _archive("mam_retrieve")
GET_MAM_MESSAGES = _archive("get_mam_messages")
GET_ROOM_MESSAGES = Definition(
    name="get_room_messages",
    category=Category.ARCHIVES,
    description="Read messages of a room, from its archive or from that of the caller",
    signatures=_taking(_ROOM, "service", *_PAGE),
    result=_MESSAGES,
    roles=_USER,
    is_native=False,
)
GET_MAM_PREFERENCES = Definition(
    name="get_mam_preferences",
    category=Category.ARCHIVES,
    description="Return the archiving preferences of a user",
    signatures=_taking("user", "host"),
    result=_PREFERENCES,
    roles=_USER,
    account=_USER_AND_HOST,
    is_native=False,
)
SET_MAM_PREFERENCES = Definition(
    name="set_mam_preferences",
    category=Category.ARCHIVES,
    description="Set the archiving preferences of a user",
    signatures=_taking(
        "user",
        "host",
        "default",
        Argument(name="always", type=ArgumentType.LIST),
        Argument(name="never", type=ArgumentType.LIST),
    ),
    result=_PREFERENCES,
    roles=_USER,
    account=_USER_AND_HOST,
    changes=True,
    is_native=False,
)
MAM_REMOVE_ARCHIVE = Definition(
    name="mam_remove_archive",
    category=Category.ARCHIVES,
    description="Erase the archive of a user and all other data of the user, or one conversation",
    signatures=_taking("user", "host", _optional("with")),
    result=_DONE,
    account=_USER_AND_HOST,
    changes=True,
    is_native=False,
)

OWN = (
    SEND_CHAT_STATE,
    SUBSCRIBE_ROSTER,
    UNSUBSCRIBE_ROSTER,
    JOIN_ROOM,
    LEAVE_ROOM,
    MAM_RETRIEVE,
    GET_MAM_MESSAGES,
    GET_ROOM_MESSAGES,
    GET_MAM_PREFERENCES,
    SET_MAM_PREFERENCES,
    MAM_REMOVE_ARCHIVE,
)
