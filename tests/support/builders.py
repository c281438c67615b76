"""Small builders: rows for the store, stanzas in the form of ejabberd, and their copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

from component.core.xml.document_parser import parse
from component.core.xml.stanza import ORIGIN_BYTES, Stanza, read
from component.core.xml.times import parse_time
from storage.interface import Archive, Storage
from storage.rows import (
    ANY,
    ArchivedMessage,
    Cutoff,
    Direction,
    Filter,
    Kind,
    NewMessage,
    Page,
    Relation,
    RetractionOutcome,
    Tombstone,
    UnfinishedRetraction,
)

HOST = "example.org"
OTHER_HOST = "example.net"
ALICE = f"alice@{HOST}"
BOB = f"bob@{HOST}"
ROOM = f"room@conference.{HOST}"
ROMEO = "romeo@remote.example"

NOON = parse_time("2026-01-01T12:00:00Z")
SECOND = 1_000_000
TOMBSTONE = "<message><retracted/></message>"
MINUTE = 60 * SECOND


def dedup_key(name: object) -> bytes:
    """Return the dedup key of a name."""
    return blake2b(str(name).encode(), digest_size=ORIGIN_BYTES).digest()


def entry(name: object = 1, **fields: Any) -> NewMessage:
    """Return a row for alice; its text and its dedup key are made from its name."""
    defaults: dict[str, Any] = {
        "owner": ALICE,
        "at": NOON,
        "peer": BOB,
        "resource": "phone",
        "type": "chat",
        "direction": Direction.RECEIVED,
        "xml": f"<message xmlns='jabber:client'><body>{name}</body></message>",
        "dedup_key": dedup_key(name),
    }
    return NewMessage(**(defaults | fields))


def entries(count: int, **fields: Any) -> list[NewMessage]:
    """Return rows that arrived a second after each other, named 0, 1, 2..."""
    return [entry(n, at=NOON + n * SECOND, **fields) for n in range(count)]


def correction(name: object, of: int, **fields: Any) -> NewMessage:
    """Return a row that corrects the message with a name hash."""
    relation = {"kind": Kind.ANNOTATION, "relation": Relation.CORRECTION}
    return entry(name, refers_to=(of,), **(relation | fields))


def retraction(mark: int, *, name: object = None, **fields: Any) -> NewMessage:
    """Return a row that retracts the message with a name hash."""
    relation = {"kind": Kind.ANNOTATION, "relation": Relation.RETRACTION}
    row_name = f"back {mark}" if name is None else name
    return entry(row_name, refers_to=(mark,), **(relation | fields))


#: A function that returns the XML of a message's tombstone, None if it may not be retracted.
TombstoneOf = Callable[[ArchivedMessage], str | None]


async def carry_out(archive: Archive, tombstone: str | TombstoneOf = TOMBSTONE) -> None:
    """Do one step of each unfinished retraction, as core does."""
    xml_of = tombstone if callable(tombstone) else lambda _: tombstone
    last = 0
    while offered := await archive.unfinished_retractions(after=last):
        await archive.apply_retractions([_outcome(unfinished, xml_of) for unfinished in offered])
        last = offered[-1].number


def _outcome(offered: UnfinishedRetraction, xml_of: TombstoneOf) -> RetractionOutcome:
    target = offered.target
    replaced = [] if target is None else [(target, Kind.TOMBSTONE)]
    if target is not None and xml_of(target) is None:
        return RetractionOutcome(number=offered.number)
    replaced += [(correction, Kind.ANNOTATION) for correction in offered.corrections]
    return RetractionOutcome(
        number=offered.number,
        tombstones=tuple(
            Tombstone(id=stored.id, xml=xml, kind=kind)
            for stored, kind in replaced
            if (xml := xml_of(stored)) is not None
        ),
        settled=tuple(correction.id for correction in offered.corrections),
        is_done=offered.is_last,
    )


async def retract(
    archive: Archive, mark: int, tombstone: str | TombstoneOf = TOMBSTONE, **fields: Any
) -> None:
    """Store a retraction of the message with a name hash, and carry it out."""
    await archive.append([retraction(mark, **fields)])
    await carry_out(archive, tombstone)


def owned(rows: Sequence[NewMessage], owner: str) -> list[NewMessage]:
    """Return the same rows in another archive."""
    return [row._replace(owner=owner) for row in rows]


def texts(rows: Page | Sequence[ArchivedMessage | NewMessage]) -> list[str]:
    """Return the XML of each message."""
    messages = rows.messages if isinstance(rows, Page) else rows
    return [message.xml for message in messages]


async def delete_all_but(storage: Storage, count: int, owner: str = ALICE) -> None:
    """Delete the oldest messages of an archive except the newest `count`."""
    await storage.retention.delete_oldest(owner, Cutoff(messages=count), limit=1_000_000)


async def everything(archive: Archive, owner: str = ALICE, filter: Filter = ANY) -> Page:
    """Return the whole archive as one page."""
    return await archive.page(owner, filter, limit=1_000_000)


def message(
    body: str | None = "hi",
    *,
    sender: str = f"{ALICE}/a1",
    to: str | None = BOB,
    id: str | None = "m1",
    type: str | None = "chat",
    extra: str = "",
) -> str:
    """Return the text of a message stanza; None leaves a part out."""
    attributes = {"from": sender, "to": to, "id": id, "type": type}
    written = "".join(f" {name}='{v}'" for name, v in attributes.items() if v is not None)
    content = "" if body is None else f"<body>{body}</body>"
    return f"<message xmlns='jabber:client'{written}>{content}{extra}</message>"


def delay(server: str, stamp: str, why: str = "Offline storage") -> str:
    """Return the <delay/> of a server that stored a message."""
    return f"<delay xmlns='urn:xmpp:delay' from='{server}' stamp='{stamp}'>{why}</delay>"


def stanza(text: str) -> Stanza:
    """Parse a stanza as the stream does."""
    raw = text.encode()
    return read(parse(raw), raw)
