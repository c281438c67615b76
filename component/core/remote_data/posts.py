"""Make a row of the archive from a posted message: its owner, its peer and its direction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from component.core.errors import BadRequest
from component.core.messages.content import plain_body
from component.core.messages.describe import describe
from component.core.messages.payloads import text_of
from component.core.xml.document_parser import parse as parse_xml
from component.core.xml.jids import Jids, bare, domain, local, resource
from component.core.xml.namespaces import NS_CLIENT
from component.core.xml.stanza import Stanza, digest_of, parse
from component.core.xml.times import parse_time
from storage.rows import Direction, NewMessage

CHAT = "chat"
GROUPCHAT = "groupchat"

#: The prefix that makes the domain of rooms from a virtual host; ejabberd's default.
ROOMS = "conference."


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """The fields of a posted message for one archive; None: the field is missing."""

    username: str  #: local part of the owner, or a bare JID
    timestamp: str
    peer: str | None = None  #: local part of the peer, or a JID
    type: str | None = None
    nick: str = ""
    xml: str | None = None
    body: str | None = None
    direction: Direction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    """The parts of a posted message, with values for the missing ones."""

    owner: str
    kind: str
    direction: Direction
    peer_jid: str  #: full


def new_message_of(post: Post, host: str, jids: Jids) -> NewMessage:
    """Return the row for a posted message. Raises BadRequest."""
    with naming("timestamp"):
        at = parse_time(post.timestamp)
    if post.xml is not None:
        stanza = parse(post.xml)
        message = _from_xml(post, stanza, host, jids)
    elif post.body is not None:
        message = _from_body(post, host, jids)
        stanza = _stanza_from_body(message, post.body)
    else:
        raise BadRequest("xml: missing, and so is body: one of them has to be there")
    content = post.body if post.xml is None else post.xml
    room, peer = message.kind == GROUPCHAT, bare(message.peer_jid)
    meaning = describe(stanza)
    type = stanza.type if not room and stanza.type in ("normal", "headline") else message.kind
    name_hashes, refers_to = meaning.name_hashes(
        peer, resource(message.peer_jid), type, message.direction
    )
    return NewMessage(
        owner=message.owner,
        at=at,
        peer=peer,
        resource=resource(message.peer_jid),
        type=type,
        direction=message.direction,
        xml=stanza.xml,
        dedup_key=_dedup_key(message, at, content or ""),
        nick=post.nick or (resource(message.peer_jid) if room else ""),
        kind=meaning.kind,
        text=meaning.text,
        name_hashes=name_hashes,
        refers_to=refers_to,
        relation=meaning.relation,
        is_seen=meaning.shows_seen and message.direction is Direction.SENT,
    )


def owner_of(username: str, type: str | None, host: str, jids: Jids) -> str:
    """Return the owner of the archive that a request names. Raises BadRequest."""
    address = username
    if "@" not in username:
        address = f"{username}@{ROOMS if type == GROUPCHAT else ''}{host}"
    with naming("username"):
        owner = jids.prepare(address)
        if not local(owner) or resource(owner):
            raise BadRequest("write the local part, or a JID like user@domain")
        if type not in (None, GROUPCHAT) and domain(owner) != host:
            raise BadRequest(f"{domain(owner)} is not served here, this is {host}")
    return owner


def peer_of(peer: str, host: str, jids: Jids) -> str:
    """Return the JID of the peer; a local part alone is a user of this host. Raises BadRequest."""
    with naming("peer"):
        prepared = jids.prepare(peer if "@" in peer else f"{peer}@{host}")
        if not local(prepared):
            raise BadRequest("write the local part, or a JID like user@domain")
    return prepared


@contextmanager
def naming(field: str) -> Iterator[None]:
    """Name a field of the request in the BadRequest that the block raises."""
    try:
        yield
    except BadRequest as error:
        raise BadRequest(f"{field}: {error.message}") from error


def body_of(xml: str) -> str | None:
    """Return the body of a stored stanza, None if it has none."""
    body = plain_body(xml)
    if body is not None:
        return body
    message = parse_xml(xml.encode(), keep_depth=1)
    # COMPAT: ejabberd before 17 removes the namespace from the stanzas that it forwards.
    return text_of(message.child(message.ns, "body"))


def _from_xml(post: Post, stanza: Stanza, host: str, jids: Jids) -> _Message:
    kind = GROUPCHAT if (post.type or stanza.type) == GROUPCHAT else CHAT
    owner = owner_of(post.username, kind, host, jids)
    with naming("xml"):
        sender = jids.prepare(stanza.sender) if stanza.sender else ""
        recipient = jids.prepare(stanza.recipient) if stanza.recipient else ""
    if kind == GROUPCHAT:
        peer_jid = _occupant(post, owner, sender, host, jids)
        # The messages of a room are those that its occupants sent to it.
        direction = post.direction or Direction.RECEIVED
    else:
        direction = _direction(owner, bare(sender), bare(recipient), post.direction)
        peer_jid = recipient if direction is Direction.SENT else sender
        peer_jid = peer_jid or _peer(post, host, jids)
    return _Message(owner=owner, kind=kind, direction=direction, peer_jid=peer_jid)


def _from_body(post: Post, host: str, jids: Jids) -> _Message:
    kind = GROUPCHAT if post.type == GROUPCHAT else CHAT
    owner = owner_of(post.username, kind, host, jids)
    if post.direction is None:
        raise BadRequest('direction: missing, and there is no xml: send "send" or "recv"')
    if kind == GROUPCHAT:
        peer_jid = _occupant(post, owner, "", host, jids)
    else:
        peer_jid = _peer(post, host, jids)
    return _Message(owner=owner, kind=kind, direction=post.direction, peer_jid=peer_jid)


def _direction(owner: str, sender: str, recipient: str, posted: Direction | None) -> Direction:
    """Return the direction of a message, by the stanza if it shows it. Raises BadRequest."""
    if (sender == owner) != (recipient == owner):
        return Direction.SENT if sender == owner else Direction.RECEIVED
    if posted is not None:
        return posted
    if sender == owner:
        return Direction.SENT
    raise BadRequest(
        f'direction: missing, and the xml is neither from nor to {owner}: send "send" or "recv"'
    )


def _occupant(post: Post, room: str, sender: str, host: str, jids: Jids) -> str:
    """Return the author of a message in a room: the bare JID if it is known, and the nickname."""
    nick = post.nick or resource(sender)
    if sender and bare(sender) != room:
        return sender
    real = room if post.peer is None else bare(_peer(post, host, jids))
    return f"{real}/{nick}" if nick else real


def _peer(post: Post, host: str, jids: Jids) -> str:
    if not post.peer:
        raise BadRequest("peer: missing, and no xml names it")
    return peer_of(post.peer, host, jids)


def _stanza_from_body(message: _Message, body: str) -> Stanza:
    """Return a stanza for a message that was posted with its body only. Raises BadRequest."""
    sender, recipient = message.peer_jid, message.owner
    if message.kind == GROUPCHAT:
        sender = f"{message.owner}/{resource(message.peer_jid)}"
    elif message.direction is Direction.SENT:
        sender, recipient = recipient, sender
    xml = (
        f"<message xmlns='{NS_CLIENT}' type='{message.kind}'"
        f" from={quoteattr(sender)} to={quoteattr(recipient)}>"
        # XML parsers would read a literal carriage return as a line feed.
        f"<body>{escape(body, {chr(13): '&#13;'})}</body></message>"
    )
    try:
        return parse(xml)
    except BadRequest as error:
        raise BadRequest("body: has characters that XML cannot carry") from error


def _dedup_key(message: _Message, at: int, content: str) -> bytes:
    """Return the key by which a repeated request is recognised as the same message."""
    peer = bare(message.peer_jid)
    parts = ("remote-data", peer, str(at), message.kind, message.direction.value, content)
    return digest_of(part.encode() for part in parts)
