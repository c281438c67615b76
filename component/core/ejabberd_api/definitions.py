"""What a command of the API is: its arguments in each API version, its result, who may call it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: The API versions of ejabberd: 0 up to 23.10, 1 since 24.02, 2 since 24.06, 3 since 24.12.
VERSIONS = (0, 1, 2, 3)
LATEST = VERSIONS[-1]


class ApiRole(StrEnum):
    """The role of a caller."""

    ADMIN = "admin"
    SERVICE = "service"
    USER = "user"


class ArgumentType(StrEnum):
    """The type of an argument; the value is its name in ejabberd's error texts."""

    TEXT = "binary"
    INTEGER = "integer"
    LIST = "list"  #: of texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An argument of a command."""

    name: str
    type: ArgumentType = ArgumentType.TEXT
    former_names: tuple[str, ...] = ()  #: that are accepted too
    #: the name in ejabberd older than 24.12; "": the same
    name_before_24_12: str = ""
    separator: str = ""  #: of a LIST: joins its elements for ejabberd older than 24.12
    #: whether it may be left out in the document's dialect
    is_optional: bool = False
    is_element: bool = False  #: whether ejabberd makes an element of XML of this name


@dataclass(frozen=True, slots=True)
class Signature:
    """The arguments of a command, from an API version on."""

    since: int
    arguments: tuple[Argument, ...]

    @property
    def names(self) -> frozenset[str]:
        """All names by which the arguments may be given."""
        return frozenset(
            name for argument in self.arguments for name in (argument.name, *argument.former_names)
        )


class ResultKind(StrEnum):
    """The type of a result."""

    CODE = "rescode"  #: 0 for success, 1 for failure
    MESSAGE = "restuple"  #: a text for people
    INTEGER = "integer"
    TEXT = "string"
    LIST = "list"  #: of texts
    ROWS = "rows"  #: objects, all with the same fields
    ROW = "row"  #: one object
    PAIRS = "pairs"  #: one object, whose fields are the names of the elements


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a command."""

    kind: ResultKind
    name: str = "res"
    #: of ROWS and ROW, in the order in which ejabberd compares rows
    fields: tuple[str, ...] = ()
    #: whether the document's dialect says "ok" in its place
    is_acknowledgement: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The arguments that name the account on which a user acts: it has to be the user's own."""

    user: str = ""
    host: str = ""
    address: str = ""  #: the argument that is a whole JID


class Visibility(StrEnum):
    """What a user has to be able to see, beside the own account."""

    ROOM = "room"  #: the room in the arguments `room` and `service`
    PRESENCE = "presence"  #: the presence of the account in `user` and `host`
    SERVICE = "service"  #: the service of rooms in the argument `service`


class Category(StrEnum):
    """The sections of the document, and one of ours."""

    USERS = "User management"
    ROOMS = "Rooms"
    MESSAGES = "Messages"
    PRESENCE = "Presence"
    ROSTERS = "Rosters"
    VCARDS = "vCards"
    SYSTEM = "System"
    ARCHIVES = "Archives"


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A command of the API."""

    name: str
    category: Category
    description: str  #: one line, in the imperative
    signatures: tuple[Signature, ...]  #: by rising version
    result: Result
    #: the roles that may call it beside admins, unless the configuration says otherwise
    roles: frozenset[ApiRole] = frozenset()
    account: Account | None = None  #: None: it is about no account in particular
    visibility: Visibility | None = None
    changes: bool = False  #: whether it changes anything
    is_native: bool = True  #: whether ejabberd has it; Muniment itself runs the others

    @property
    def is_recorded_first(self) -> bool:
        """Whether it runs only after its entry in the audit log is durable.

        The entry of a message, of a presence, or of a read may be written meanwhile: these are
        many, and the archive has the messages.
        """
        return self.changes and self.category not in (Category.MESSAGES, Category.PRESENCE)

    def signature(self, version: int) -> Signature:
        """Return the arguments in an API version."""
        return [item for item in self.signatures if item.since <= version][-1]

    def signature_for(self, names: frozenset[str]) -> Signature:
        """Return the newest signature that has all names, or else the newest one."""
        for signature in reversed(self.signatures):
            if names <= signature.names:
                return signature
        return self.signatures[-1]
