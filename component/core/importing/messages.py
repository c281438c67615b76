"""Make a row of the archive from a record of another archive, as ingest makes one from a copy."""

from __future__ import annotations

import re
from xml.sax.saxutils import quoteattr

from component.core.archiving import sanitise
from component.core.archiving.dedup import keys_near
from component.core.errors import BadRequest
from component.core.hosts import Hosts
from component.core.importing.records import ImportRecord
from component.core.messages.describe import describe
from component.core.xml.jids import Jids, bare, domain, local, resource
from component.core.xml.namespaces import in_client_namespace
from component.core.xml.preparation import prepared
from component.core.xml.stanza import GROUPCHAT, NS_MUC_USER, Stanza, digest_of, parse
from component.core.xml.times import now
from storage.rows import Direction, ImportedMessage, Kind, NewMessage

#: An old id that can be an id in archives of rooms, because it stands in stanzas of the room too.
_ROOM_ID = re.compile(r"[A-Za-z0-9._~-]{8,128}")

#: A longer id is none that a client could have seen.
_OLD_ID_MAX = 1024

#: NUL and halves of characters, which stores refuse.
_NO_TEXT = frozenset(map(chr, (0, *range(0xD800, 0xE000))))

_MUC_USER = (NS_MUC_USER, "x")

_NAME = re.compile(r"<[^\s/>]+")
_FROM = re.compile(r"\s+from\s*=\s*(?:'[^']*'|\"[^\"]*\")")
_ATTRIBUTE = re.compile(r"\s+[^\s=/>]+\s*=\s*(?:'[^']*'|\"[^\"]*\")")

#: How far another clock may be ahead. Beside a message of the far future all others were late.
_AHEAD_MAX = 24 * 3600 * 1_000_000


class NotServed(BadRequest):
    """The archive of the record is on a domain that is not served here."""


def imported_message(record: ImportRecord, hosts: Hosts, jids: Jids) -> ImportedMessage:
    """Return the row for a record. Raises BadRequest, and NotServed among them."""
    owner = _owner(record, hosts, jids)
    if not 0 <= record.at < now() + _AHEAD_MAX:
        raise BadRequest("its time is before 1970, or in the future")
    if len(record.old_id) > _OLD_ID_MAX or not _NO_TEXT.isdisjoint(record.old_id):
        raise BadRequest("its id is too long, or has characters that no text has")
    xml = in_client_namespace(record.xml.strip())
    if record.is_of_room and record.nick:
        xml = _with_sender(xml, f"{owner}/{record.nick}")
    stanza = parse(xml)
    if stanza.type == "error":
        raise BadRequest("it is an error, and no message")
    stanza = stanza._replace(sender=prepared(stanza.sender), recipient=prepared(stanza.recipient))
    if record.is_of_room:
        return _for_room(record, owner, stanza, hosts)
    return _for_user(record, owner, stanza, hosts)


def _owner(record: ImportRecord, hosts: Hosts, jids: Jids) -> str:
    owner = jids.prepare(record.owner)
    if not local(owner) or resource(owner):
        raise BadRequest(f"{record.owner!r} is no address of a user or a room")
    if record.is_of_room and not hosts.is_room(owner):
        raise NotServed(f"{domain(owner)} is not in archive.room_services")
    if not record.is_of_room and not hosts.is_user(owner):
        raise NotServed(f"{domain(owner)} is not in xmpp.hosts")
    return owner


def _for_user(record: ImportRecord, owner: str, stanza: Stanza, hosts: Hosts) -> ImportedMessage:
    # Without `to` a stanza is for the sender's own account (RFC 6120 section 10.3.1).
    stanza = stanza._replace(recipient=stanza.recipient or bare(stanza.sender))
    direction = _direction(record, owner, stanza)
    peer_jid = stanza.recipient if direction is Direction.SENT else stanza.sender
    peer_jid = peer_jid or prepared(record.peer)
    if not peer_jid:
        raise BadRequest("neither its addresses nor the record have the other side")
    raw = sanitise.for_user(stanza, hosts)
    known = keys_near(stanza.key(_recipient(stanza, hosts)), record.at)
    return _row(record, owner, stanza, raw, direction, peer_jid, known)


def _for_room(record: ImportRecord, owner: str, stanza: Stanza, hosts: Hosts) -> ImportedMessage:
    if bare(stanza.sender) != owner:
        raise BadRequest("the author is unknown: the record has no nickname")
    raw = sanitise.for_room(stanza, hosts)
    # As `archiving.dedup` makes the key of a message that its room has named.
    named = [stanza.sender.encode(), record.old_id.encode(), stanza.key("")]
    known = (digest_of(named), *keys_near(stanza.key(""), record.at))
    return _row(record, owner, stanza, raw, Direction.RECEIVED, stanza.sender, known)


def _row(
    record: ImportRecord,
    owner: str,
    stanza: Stanza,
    raw: bytes,
    direction: Direction,
    peer_jid: str,
    known_keys: tuple[bytes, ...],
) -> ImportedMessage:
    description = describe(stanza)
    peer = bare(peer_jid)
    name_hashes, refers_to = description.name_hashes(
        peer, resource(peer_jid), stanza.type, direction
    )
    is_named = record.is_of_room and _ROOM_ID.fullmatch(record.old_id) is not None
    is_removed = record.kind in (Kind.TOMBSTONE, Kind.BLANKED)
    message = NewMessage(
        owner=owner,
        at=record.at,
        peer=peer,
        resource=resource(peer_jid),
        type=stanza.type,
        direction=direction,
        xml=raw.decode(),
        dedup_key=_dedup_key(record, stanza, direction, peer),
        nick=record.nick or (resource(peer_jid) if stanza.type == GROUPCHAT else ""),
        kind=record.kind or description.kind,
        text="" if is_removed else description.text,
        name_hashes=name_hashes,
        refers_to=refers_to,
        relation=description.relation,
        # Nobody has to read the history of years once more.
        is_seen=True,
        stanza_id=record.old_id if is_named else "",
    )
    return ImportedMessage(message, record.old_id, known_keys)


def _dedup_key(record: ImportRecord, stanza: Stanza, direction: Direction, peer: str) -> bytes:
    """Return the key by which a second import recognises a message, whatever way it comes.

    An old id alone would not do: ejabberd's is the time, which two messages can share.
    """
    name = record.old_id or str(record.at)
    parts = ("import", name, direction.value, peer, stanza.id, stanza.body or "")
    return digest_of(part.encode() for part in parts)


def _direction(record: ImportRecord, owner: str, stanza: Stanza) -> Direction:
    is_from, is_to = (bare(jid) == owner for jid in (stanza.sender, stanza.recipient))
    if is_from != is_to:
        return Direction.SENT if is_from else Direction.RECEIVED
    if record.direction is not None:
        return record.direction
    return Direction.SENT if is_from else Direction.RECEIVED


def _recipient(stanza: Stanza, hosts: Hosts) -> str:
    """Return the recipient as `archiving.route.Router.key` has it."""
    is_of_room = stanza.type == GROUPCHAT or _MUC_USER in stanza.payloads
    if is_of_room and hosts.is_user(stanza.recipient):
        return bare(stanza.recipient)
    return stanza.recipient


def _with_sender(xml: str, sender: str) -> str:
    """Return a stanza with another `from`."""
    name = _NAME.match(xml)
    if name is None:
        return xml  # the parser refuses it
    place, attributes = name.end(), ""
    while attribute := _ATTRIBUTE.match(xml, place):
        if not _FROM.fullmatch(attribute[0]):
            attributes += attribute[0]
        place = attribute.end()
    return f"{name[0]} from={quoteattr(sender)}{attributes}{xml[place:]}"
