"""Small builders: rows for the store, stanzas as ejabberd passes them on, and their copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
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
    Retraction,
    Work,
)

HOST = "example.org"
OTHER_HOST = "example.net"
ALICE = f"alice@{HOST}"
BOB = f"bob@{HOST}"
ROOM = f"room@conference.{HOST}"
ROMEO = "romeo@remote.example"

NOON = parse_time("2026-01-01T12:00:00Z")
SECOND = 1_000_000
MINUTE = 60 * SECOND


def dedup_key(name: object) -> bytes:
    """Return an origin that belongs to a name."""
    return blake2b(str(name).encode(), digest_size=ORIGIN_BYTES).digest()


def entry(name: object = 1, **fields: Any) -> NewMessage:
    """Return a row for alice; its text and its origin are made from its name."""
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
    """Return a row that corrects what has a mark."""
    relation = {"kind": Kind.ANNOTATION, "relation": Relation.CORRECTION}
    return entry(name, refers_to=(of,), **(relation | fields))


def taking_back(
    mark: int,
    left: str | Callable[[ArchivedMessage], str | None] | None = "<message><retracted/></message>",
    *,
    name: object = None,
    **fields: Any,
) -> list[Work]:
    """Return a row that takes back what has a mark, and what carries that out."""
    relation = {"kind": Kind.ANNOTATION, "relation": Relation.RETRACTION}
    row = entry(f"back {mark}" if name is None else name, refers_to=(mark,), **(relation | fields))
    tombstone = left if callable(left) else lambda _: left
    return [row, Retraction(owner=row.owner, dedup_key=row.dedup_key, tombstone=tombstone)]


def owned(work: Sequence[Work], owner: str) -> list[Work]:
    """Return the same work on another archive."""
    return [
        one._replace(owner=owner) if isinstance(one, NewMessage) else replace(one, owner=owner)
        for one in work
    ]


def texts(found: Page | Sequence[ArchivedMessage | NewMessage]) -> list[str]:
    """Return the XML of each message."""
    rows = found.messages if isinstance(found, Page) else found
    return [row.xml for row in rows]


async def shed(storage: Storage, left: int, owner: str = ALICE) -> None:
    """Take away the oldest messages of an archive, so many are left."""
    await storage.retention.delete_oldest(owner, Cutoff(messages=left), limit=1_000_000)


async def everything(archive: Archive, owner: str = ALICE, wanted: Filter = ANY) -> Page:
    """Return all of an archive, in one page."""
    return await archive.page(owner, wanted, limit=1_000_000)


def message(
    body: str | None = "hi",
    *,
    sender: str = f"{ALICE}/a1",
    to: str | None = BOB,
    id: str | None = "m1",
    type: str | None = "chat",
    extra: str = "",
) -> str:
    """Return the text of a message stanza, None leaves a part out."""
    attributes = {"from": sender, "to": to, "id": id, "type": type}
    written = "".join(f" {name}='{v}'" for name, v in attributes.items() if v is not None)
    said = "" if body is None else f"<body>{body}</body>"
    return f"<message xmlns='jabber:client'{written}>{said}{extra}</message>"


def delay(server: str, stamp: str, why: str = "Offline storage") -> str:
    """Return the mark of a server that kept a message for a while."""
    return f"<delay xmlns='urn:xmpp:delay' from='{server}' stamp='{stamp}'>{why}</delay>"


def stanza(text: str) -> Stanza:
    """Read a stanza as it is read off the stream."""
    raw = text.encode()
    return read(parse(raw), raw)
