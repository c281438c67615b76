"""Turn a copy of a stanza into new messages, one for each archive that keeps it.

One pipeline: route (`route`), judge (`policy`), identify and deduplicate (`dedup`), sanitise
(`sanitise`), describe (`core.messages.describe`), put. The sender's row is written at once. If
ejabberd makes the first copy before it delivers the message, the recipient's row waits in
`deliveries` until the delivery is decided.
"""

from __future__ import annotations

from cachetools import FIFOCache

from component.core.archiving import sanitise
from component.core.archiving.dedup import Deduplicator, RecentMessage
from component.core.archiving.deliveries import Deliveries, Delivery, waits_offline
from component.core.archiving.policy import Policy
from component.core.archiving.route import Candidate, Router
from component.core.archiving.sessions import Sessions
from component.core.archiving.writer import Queue
from component.core.hosts import Hosts
from component.core.messages.describe import describe
from component.core.metrics import Metrics
from component.core.xml import jids
from component.core.xml.namespaces import standalone
from component.core.xml.stanza import GROUPCHAT, Stanza, digest_of
from storage.rows import Direction, NewMessage

#: The maximum number of remembered posts to rooms.
POSTS_MAX = 32_768

#: An error does not have the type of the message that it answers, so these types are tried in this
#: order: first those that a server never keeps offline.
_ANSWERED_TYPES = (GROUPCHAT, "headline", "chat", "normal")


class Ingest:
    """Takes copies of stanzas and queues the new messages in them."""

    def __init__(
        self,
        writer: Queue,
        policy: Policy,
        hosts: Hosts,
        *,
        sessions: Sessions,
        deliveries: Deliveries,
        is_shared: bool = False,
        metrics: Metrics | None = None,
    ) -> None:
        """`is_shared` says whether other processes get the same copies."""
        self._metrics = metrics or Metrics()
        self._writer = writer
        self._policy = policy
        self._hosts = hosts
        self._router = Router(hosts, sessions)
        self._dedup = Deduplicator(hosts, self._router, sessions, deliveries, is_shared=is_shared)
        self._deliveries = deliveries
        #: bare JIDs of the users who sent messages to rooms, which send them back to all occupants
        self._sent_to_rooms: FIFOCache[bytes, frozenset[str]] = FIFOCache(POSTS_MAX)

    def is_repeated(self, host: str, raw: bytes) -> bool:
        """Return whether these bytes are one more copy of a known stanza, and note that copy.

        `host` is the virtual host that sent the copy. The stanza need not be parsed then.
        """
        is_repeated = self._dedup.is_repeated(host, raw)
        if is_repeated:
            self._metrics.duplicates.inc()
        return is_repeated

    def take(self, stanza: Stanza, at: int, host: str = "") -> None:
        """Archive a stanza in a copy that `host` made at the time `at`, unless it is archived.

        Raises Malformed.
        """
        if stanza.type == "error":
            self._refuse(stanza)
            return
        if not stanza.recipient:
            # Without `to` a stanza is for the sender's own account (RFC 6120 section 10.3.1).
            stanza = stanza._replace(recipient=jids.bare(stanza.sender))
        is_from_user = self._hosts.is_user(stanza.sender)
        if is_from_user and stanza.type == GROUPCHAT and stanza.id:
            post, author = _post(stanza.recipient, stanza.id), jids.bare(stanza.sender)
            self._sent_to_rooms[post] = self._sent_to_rooms.get(post, frozenset()) | {author}
        message = None
        for candidate in self._router.candidates(stanza):
            judge = self._policy.judge_for_room if candidate.is_for_room else self._policy.judge
            keep, reason = judge(stanza)
            if not keep:
                self._metrics.note_skipped(reason)
                continue
            message, is_new = self._dedup.identify(stanza, candidate, at, host)
            if is_new:
                self._archive(stanza, candidate, message, at, host)
            elif (owed := message.owed) is not None:
                self._archive_owed(stanza, candidate, message, owed, at)
            else:
                self._metrics.duplicates.inc()
        # Another copy of a room's message may be the first one for its recipient.
        if is_from_user and (message or stanza.id):
            self._dedup.remember_bytes(stanza.raw, message)

    def _archive(
        self, stanza: Stanza, candidate: Candidate, message: RecentMessage, at: int, host: str
    ) -> None:
        """Put a new message: for its sender now, for its recipient when it is delivered."""
        time = self._router.time_of(stanza, message.first, at)
        rows = self._rows(stanza, candidate, message, time)
        if candidate.is_for_room or not self._router.awaits_delivery(
            stanza, candidate.sides, message.first, at, host
        ):
            self._writer.put(rows)
            return
        received = rows.pop()  # The recipient's side is the last one.
        self._writer.put(rows)
        message.delivery = Delivery(
            message=message.key,
            recipient=stanza.recipient,
            at=at,
            entries=[received],
            waits_offline=waits_offline(stanza),
            bytes=len(stanza.raw),
        )
        self._deliveries.open(message.delivery)

    def _archive_owed(
        self,
        stanza: Stanza,
        candidate: Candidate,
        message: RecentMessage,
        delivery: Delivery,
        at: int,
    ) -> None:
        """Put a message for its recipient, who got it after it was taken for lost."""
        delivery.is_lost = False
        self._writer.put(self._rows(stanza, candidate, message, at)[-1:])

    def _rows(
        self, stanza: Stanza, candidate: Candidate, message: RecentMessage, time: int
    ) -> list[NewMessage]:
        """Return the rows of a message, one for each side; that of the recipient is the last."""
        sanitised = sanitise.for_room if candidate.is_for_room else sanitise.for_user
        raw = sanitised(stanza, self._hosts)
        # A stanza cut out of a copy lacks the prefixes that were declared around it.
        xml = (raw if stanza.element.is_bound else standalone(raw)).decode()
        description = describe(stanza)
        stanza_id = author = ""
        if candidate.is_for_room:
            stanza_id, author = description.public_id, self._author(stanza)
        dedup_key, alternative_keys = message.dedup_key, message.alternative_keys
        rows = []
        for owner, peer_jid, direction in candidate.sides:
            peer, resource = jids.bare(peer_jid), jids.resource(peer_jid)
            name_hashes, refers_to = description.name_hashes(
                peer, resource, stanza.type, direction
            )
            rows.append(
                NewMessage(
                    owner=owner,
                    at=time,
                    peer=peer,
                    resource=resource,
                    type=stanza.type,
                    direction=direction,
                    xml=xml,
                    dedup_key=dedup_key,
                    alternative_keys=alternative_keys,
                    nick=resource if stanza.type == GROUPCHAT else "",
                    kind=description.kind,
                    text=description.text,
                    name_hashes=name_hashes,
                    refers_to=refers_to,
                    relation=description.relation,
                    is_seen=description.shows_seen
                    and (author != "" or self._is_own(stanza, owner, direction)),
                    stanza_id=stanza_id,
                    author=author,
                )
            )
        return rows

    def _is_own(self, stanza: Stanza, owner: str, direction: Direction) -> bool:
        """Return whether the owner of an archive wrote a message, to a room too."""
        if direction is Direction.SENT or stanza.type != GROUPCHAT:
            return direction is Direction.SENT
        return owner in self._sent_to_rooms.get(_post(stanza.sender, stanza.id), ())

    def _author(self, stanza: Stanza) -> str:
        """Return the bare JID of our user who wrote a message of a room, "" if it is not known."""
        authors = self._sent_to_rooms.get(_post(stanza.sender, stanza.id), ())
        return next(iter(authors)) if len(authors) == 1 else ""

    def _refuse(self, error: Stanza) -> None:
        """Drop the message that an error answers, if its delivery is undecided.

        An error has the id and the children of the message, and its addresses exchanged (RFC 6120
        section 8.3.1). The sender's archive keeps the message. A client cannot refuse a message
        before it receives it, and a received one is decided.
        """
        if not self._hosts.is_user(error.sender):
            return
        sent = error._replace(sender=error.recipient, recipient=error.sender)
        for type in _ANSWERED_TYPES:
            sent = sent._replace(type=type)
            if self._deliveries.refuse(self._router.key(sent)):
                return


def _post(room: str, id: str) -> bytes:
    """Return a digest that names a message to a room, as far as its author chooses its name."""
    return digest_of([jids.bare(room).encode(), id.encode()])
