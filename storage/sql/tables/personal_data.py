"""What the store has about a user: in which tables, what an export has of them, what is erased.

Every table of a store is either in PERSONAL or in NOT_PERSONAL, and every column of a personal
table is either shown or left out; tests compare both with the migrations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from storage.rows import PersonalPage, PersonalTable, Place
from storage.sql.database import Database
from storage.sql.tables import identifiers

# The number of the user's archive. $1 is the bare JID of the user in all conditions.
_NUMBER = "(SELECT number FROM owners WHERE jid = $1)"

_OF_ARCHIVE = f"owner = {_NUMBER}"

_OF_SUBSCRIPTION = "subscription IN (SELECT id FROM push_subscriptions WHERE jid = $1)"


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Form(StrEnum):
    """The form of a value in a column."""

    PLAIN = "plain"
    TIME = "time"  #: microseconds since the epoch; 0: not known
    FLAG = "flag"  #: 0 or 1
    JSON = "json"  #: JSON as text; "": none


@dataclass(frozen=True, slots=True)
class Column:
    """A column that an export has."""

    name: str
    form: Form = Form.PLAIN
    sql: str = ""  #: what is selected; "": the column of that name
    title: str = ""  #: the name in an export; "": the name of the column


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """A table with rows about users."""

    table: str
    meaning: str  #: of its rows, for people; "": no export has them
    where: str  #: condition of the rows about the user
    shown: tuple[Column, ...] = ()
    key: tuple[str, ...] = ()  #: columns in whose order the rows are read; unique for a user
    #: columns that no export has: they are secrets, or say nothing about the user, or follow from
    #: others
    left_out: frozenset[str] = frozenset()
    is_erased: bool = False  #: whether its rows are removed with the archive
    ends_with_account: bool = False  #: whether its rows are removed with the account
    removal: tuple[str, ...] = ()  #: the statements that remove them; (): they are deleted

    @property
    def removing(self) -> tuple[str, ...]:
        """The statements that remove the rows about the user."""
        return self.removal or (f"DELETE FROM {self.table} WHERE {self.where}",)  # noqa: S608


def _columns(names: str, form: Form = Form.PLAIN) -> tuple[Column, ...]:
    return tuple(Column(name, form) for name in names.split())


def _time_of_message(owner: str, sequence: str) -> Column:
    """Return the column with the sequence of a message as one with its time."""
    table, _, name = sequence.partition(".")
    sql = (
        f"(SELECT archive.at FROM archive WHERE archive.owner = {table}.{owner}"  # noqa: S608
        f" AND archive.sequence = {sequence})"
    )
    return Column(name, Form.TIME, sql, "message_at")


def _out(names: str) -> frozenset[str]:
    return frozenset(names.split())


#: In the order in which an erasure removes their rows: those that name an archive by its number,
#: or a subscription by its id, come before the one that has the number or the id.
PERSONAL = (
    Personal(
        table="accounts",
        meaning="the account",
        where="jid = $1",
        shown=(
            *_columns("jid"),
            *_columns("is_enabled", Form.FLAG),
            *_columns("created_at", Form.TIME),
        ),
        key=("jid",),
        left_out=_out("domain verifier"),
    ),
    Personal(
        table="profiles",
        meaning="the profile of chat",
        where="jid = $1",
        shown=_columns("jid name email"),
        key=("jid",),
        left_out=_out("domain folded_name email_key"),
        is_erased=True,
        ends_with_account=True,
    ),
    Personal(
        table="identifiers",
        meaning="the names of the user, and of direct chats, in APIs that know no JIDs",
        where=identifiers.OF,
        shown=_columns("kind key number uri"),
        key=("number",),
        is_erased=True,
        removal=(*identifiers.UNLIST, identifiers.REMOVE),
        ends_with_account=True,
    ),
    Personal(
        table="contacts",
        meaning="the roster, if Muniment keeps it",
        where="owner = $1",
        shown=(
            *_columns("jid name subscription ask ask_message"),
            *_columns("is_approved", Form.FLAG),
            *_columns("groups", Form.JSON),
        ),
        key=("jid",),
        left_out=_out("owner"),
        ends_with_account=True,
    ),
    Personal(
        table="preferences",
        meaning="the archiving preferences",
        where="owner = $1",
        shown=(*_columns("default_policy"), *_columns("always never", Form.JSON)),
        key=("owner",),
        left_out=_out("owner"),
        is_erased=True,
    ),
    Personal(
        table="rules",
        meaning="the limits of retention that operators have set",
        where="owner = $1",
        shown=_columns("peer days messages bytes"),
        key=("peer",),
        left_out=_out("owner"),
        is_erased=True,
    ),
    Personal(
        table="holds",
        meaning="legal holds on the archive",
        where="subject = $1",
        shown=(*_columns("reason ordered_by"), *_columns("at", Form.TIME)),
        key=("subject",),
        left_out=_out("subject"),
    ),
    Personal(
        table="audit_log",
        meaning="what operators and the server did with the archive and the account",
        where="subject = $1",
        shown=(*_columns("number actor action detail"), *_columns("at", Form.TIME)),
        key=("number",),
        left_out=_out("subject"),
    ),
    Personal(
        table="conversations",
        meaning="the conversations, and how far the user has read them",
        where=_OF_ARCHIVE,
        shown=(*_columns("peer"), _time_of_message("owner", "conversations.seen")),
        key=("peer",),
        left_out=_out("owner newest identifier"),
        is_erased=True,
    ),
    Personal(
        table="old_ids",
        meaning="the ids that imported messages had before, with the times of these messages",
        where=_OF_ARCHIVE,
        shown=(*_columns("old_id"), _time_of_message("owner", "old_ids.sequence")),
        key=("old_id",),
        left_out=_out("owner"),
        is_erased=True,
    ),
    Personal(
        table="occupants",
        meaning="the affiliations in rooms",
        where="jid = $1 OR room = $1",
        shown=(*_columns("room jid affiliation"), *_columns("lost_at", Form.TIME)),
        key=("room", "jid"),
        left_out=_out("heard_at"),
        is_erased=True,
    ),
    Personal(
        table="departures",
        meaning="the rooms that the user has left",
        where="jid = $1 OR room = $1",
        shown=_columns("room jid"),
        key=("room", "jid"),
        is_erased=True,
        ends_with_account=True,
    ),
    Personal(
        table="invitations",
        meaning="the invitations to rooms that the user has made",
        where="inviter = $1 OR room = $1",
        shown=(*_columns("room inviter"), *_columns("expires_at", Form.TIME)),
        key=("token_hash",),
        left_out=_out("token_hash"),
        is_erased=True,
        ends_with_account=True,
    ),
    Personal(
        table="read_marks",
        meaning="how far the user has read the rooms of chat",
        where=f"jid = $1 OR room = {_NUMBER}",
        shown=(
            Column("room", sql="(SELECT jid FROM owners WHERE number = room)"),
            Column("jid"),
            _time_of_message("room", "read_marks.sequence"),
        ),
        key=("room", "jid"),
        is_erased=True,
        ends_with_account=True,
    ),
    Personal(
        table="rooms",
        meaning="the room, if the address is that of a room",
        where="jid = $1",
        shown=(
            *_columns("name"),
            *_columns("created_at", Form.TIME),
            *_columns("is_persistent", Form.FLAG),
        ),
        key=("jid",),
        left_out=_out("jid"),
        is_erased=True,
    ),
    Personal(
        table="journals",
        meaning="",
        where=_OF_ARCHIVE,
        left_out=_out("owner is_open expired_to"),
        is_erased=True,
    ),
    Personal(
        table="journal",
        meaning="the latest events of the account that are no messages",
        where=_OF_ARCHIVE,
        shown=(
            *_columns("kind subject"),
            *_columns("at", Form.TIME),
            *_columns("value", Form.JSON),
        ),
        key=("kind", "subject"),
        left_out=_out("owner sequence"),
        is_erased=True,
    ),
    Personal(
        table="offline",
        meaning="the stanzas that wait until the user is online",
        where="owner = $1",
        shown=(*_columns("peer stanza"), *_columns("at", Form.TIME)),
        key=("number",),
        left_out=_out("owner digest number"),
        is_erased=True,
        ends_with_account=True,
    ),
    Personal(
        table="sign_ins",
        meaning="the sign-ins, without their secrets",
        where="jid = $1",
        shown=(
            *_columns("id label"),
            *_columns("created_at refreshed_at expires_at", Form.TIME),
        ),
        key=("id",),
        # The settings of a session of the REST gateway have secrets.
        left_out=_out("jid token_hash previous_hash salt gateway"),
    ),
    Personal(
        table="sign_in_revocations",
        meaning="how often all sign-ins were revoked",
        where="jid = $1",
        shown=_columns("times"),
        key=("jid",),
        left_out=_out("jid"),
    ),
    Personal(
        table="dead_letters",
        meaning="the events that receivers of push did not accept",
        where=_OF_SUBSCRIPTION,
        shown=(
            *_columns("subscription type"),
            *_columns("at", Form.TIME),
            *_columns("attempts failure"),
            *_columns("is_waiting", Form.FLAG),
        ),
        key=("subscription", "event_id"),
        left_out=_out("event_id"),
        is_erased=True,
    ),
    Personal(
        table="push_subscriptions",
        meaning="the receivers of push, without their addresses and secrets",
        where="jid = $1",
        shown=(
            *_columns("id sign_in kind label content"),
            *_columns("events", Form.JSON),
            *_columns("created_at delivered_at", Form.TIME),
            *_columns("failure"),
        ),
        key=("id",),
        # Whoever knows an address can send to it.
        left_out=_out("jid endpoint secret public_key cursor attempts retry_at"),
        is_erased=True,
    ),
    Personal(
        table="counters",
        meaning="",
        where=_OF_ARCHIVE,
        left_out=_out("owner series bucket_size bucket messages"),
        is_erased=True,
    ),
    Personal(
        table="unfinished_retractions",
        meaning="",
        where=_OF_ARCHIVE,
        left_out=_out("owner sequence target number"),
        is_erased=True,
    ),
    Personal(
        table="reserved_sequences",
        meaning="",
        where=_OF_ARCHIVE,
        left_out=_out("owner ends_at next_sequence last_sequence latest_at"),
        is_erased=True,
    ),
    Personal(
        table="owners",
        meaning="the size of the archive",
        where="jid = $1",
        shown=(*_columns("jid messages bytes"), *_columns("latest_at", Form.TIME)),
        key=("jid",),
        left_out=_out("number last_sequence last_imported imported_at reserved_at"),
        is_erased=True,
    ),
)

#: The messages and their index: exports read messages page by page, and erasures delete them so.
MESSAGES = frozenset({"archive", "fulltext", "names", "links"})

#: Tables without rows about users, with what they have.
NOT_PERSONAL: Mapping[str, str] = {
    "secrets": "keys of the store",
    "imports": "how far an import has come",
    "confirmed_retention": "the limits that operators have confirmed, by host",
    "gaps": "times without a connection",
    "received": "until when copies were received",
    "processes": "the processes that use the store",
    "erased": "keyed digests of erased archives, until all gaps are settled",
    "erasures": "erased archives, for the other processes; each for an hour",
}

#: The statements that remove what is kept about the owner of an archive besides messages.
ERASING = tuple(sql for table in PERSONAL if table.is_erased for sql in table.removing)

#: The statements that remove what is kept about the user of an account.
ENDING = tuple(sql for table in PERSONAL if table.ends_with_account for sql in table.removing)

_SHOWN = {table.table: table for table in PERSONAL if table.shown}


class SqlPersonalData:
    """`storage.interface.PersonalData`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def tables(self) -> tuple[PersonalTable, ...]:
        return tuple(PersonalTable(name, table.meaning) for name, table in _SHOWN.items())

    async def page(
        self, jid: str, table: str, *, limit: int, after: Place | None = None
    ) -> PersonalPage:
        personal = _SHOWN[table]
        async with self._database.read() as connection:
            rows = await connection.fetch(_select(personal, after), jid, limit, *(after or ()))
        width = len(personal.shown)
        return PersonalPage(
            records=tuple(
                {
                    column.title or column.name: _value(column.form, value)
                    for column, value in zip(personal.shown, row, strict=False)
                }
                for row in rows
            ),
            place=tuple(rows[-1][width:]) if len(rows) == limit else None,
        )


def _select(table: Personal, after: Place | None) -> str:
    columns = ", ".join(
        [column.sql or column.name for column in table.shown]
        + [f"{table.table}.{name}" for name in table.key]
    )
    key = ", ".join(f"{table.table}.{name}" for name in table.key)
    behind = ""
    if after is not None:
        places = ", ".join(f"${number}" for number in range(3, 3 + len(after)))
        behind = f" AND ({key}) > ({places})"
    return (
        f"SELECT {columns} FROM {table.table} WHERE ({table.where}){behind}"  # noqa: S608
        f" ORDER BY {key} LIMIT $2"
    )


def _value(form: Form, value: object) -> object:
    match form:
        case Form.FLAG:
            return bool(value)
        case Form.JSON:
            return json.loads(str(value)) if value else None
        case Form.TIME:
            return _EPOCH + timedelta(microseconds=int(str(value))) if value else None
        case Form.PLAIN:
            return value
