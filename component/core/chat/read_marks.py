"""Read marks: up to which message a user has read a conversation, here and in XMPP clients.

A mark moves forward only. Muniment moves it in the store at once, tells the peer or the room by a
marker (XEP-0333), and the user's other clients by a publication (XEP-0490). Markers of XMPP
clients come in copies (`core.reading.displayed`).
"""

from __future__ import annotations

import asyncio
import logging
from uuid import uuid4
from xml.sax.saxutils import quoteattr

from component.core.access.principals import User
from component.core.ejabberd_options import NS_PUBSUB
from component.core.errors import ItemNotFound, Refused
from component.core.hosts import Hosts
from component.core.messages.payloads import NS_MARKERS
from component.core.reading.follow import Followers
from component.core.reading.reader import ArchiveReader
from component.core.reading.views import ReadableMessage
from component.core.sessions.outgoing import Displayed, Outgoing
from component.core.sessions.queries import UserQueries
from component.core.sessions.sending import Sender
from component.core.store_errors import translated
from component.core.xml.stanza import GROUPCHAT, NS_STANZA_ID
from storage.interface import Archive
from storage.rows import Direction, DisplayedMarker

log = logging.getLogger(__name__)

#: Marks that are told to others at once; with more, the others see them later, by the archive.
_TELLING_MAX = 200

_NS_DISPLAYED = "urn:xmpp:mds:displayed:0"

#: XEP-0490 section 3: the node keeps all items, and only the account itself may read them.
_OPTIONS = {
    "pubsub#persist_items": "true",
    "pubsub#max_items": "max",
    "pubsub#send_last_published_item": "never",
    "pubsub#access_model": "whitelist",
}


class ReadMarks:
    """Moves the read marks of users."""

    def __init__(
        self,
        archive: Archive,
        reader: ArchiveReader,
        sender: Sender | None,
        queries: UserQueries | None,
        hosts: Hosts,
        followers: Followers,
    ) -> None:
        """Without `sender` and `queries` nobody else is told."""
        self._archive = archive
        self._reader = reader
        self._sender = sender
        self._queries = queries
        self._hosts = hosts
        self._followers = followers
        self._telling: set[asyncio.Task[None]] = set()

    async def move(self, user: User, jid: str, id: str) -> bool:
        """Note that a user has read a conversation up to a message; return whether it moved.

        The user may read the conversation. `id` is that of the archive of the room, or else that
        of the user's own archive. Raises ItemNotFound if no message of the conversation has it,
        Forbidden, Overloaded.
        """
        is_room = self._hosts.is_room(jid)
        owner = jid if is_room else user.jid
        item = await self._reader.message(user, owner, id, folded=False)
        row = item.message.stored
        if row.peer != jid or (row.type == GROUPCHAT) != is_room:
            raise ItemNotFound("This message is of another conversation.")
        # The message may have been named by the id that it had before it was imported.
        marker = DisplayedMarker(owner=user.jid, peer=jid, id=row.id, is_room=is_room)
        with translated():
            changed = await self._archive.note_displayed([marker])
        if not changed:
            return False
        self._followers.events_changed(changed)
        if len(self._telling) < _TELLING_MAX:
            task = asyncio.create_task(self._tell(user, jid, item, is_room=is_room))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
        return True

    async def close(self) -> None:
        """Stop to tell others."""
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)

    async def _tell(self, user: User, jid: str, item: ReadableMessage, *, is_room: bool) -> None:
        """Tell the peer or the room, and the user's other clients, as far as they can be told."""
        try:
            if self._sender is not None and _is_markable(item, user):
                message = Outgoing(
                    id=str(uuid4()),
                    to=jid,
                    type=GROUPCHAT if is_room else "chat",
                    payload=Displayed(item.message.stored.id),
                )
                await self._sender.send(user, message, may_be_repeated=False, in_room=is_room)
            publication = _publication(user, jid, item, is_room=is_room)
            if self._queries is not None and publication is not None:
                await self._queries.set(user, publication)
        except Refused as refused:
            log.debug("a read mark of %s is not told to all: %s", user.jid, refused.message)


def _is_markable(item: ReadableMessage, user: User) -> bool:
    """Return whether the author of a message wants to know that it was displayed (XEP-0333)."""
    row = item.message.stored
    is_own = row.direction is Direction.SENT or row.author == user.jid
    return not is_own and NS_MARKERS in row.xml and "markable" in row.xml


def _publication(user: User, jid: str, item: ReadableMessage, *, is_room: bool) -> str | None:
    """Return the publication of a mark (XEP-0490), None if clients know no id of the message."""
    row = item.message.stored
    if is_room and not row.made_id:
        # The id is ours, and the room gave none.
        return None
    by = jid if is_room else user.jid
    stanza_id = f"<stanza-id xmlns='{NS_STANZA_ID}' by={quoteattr(by)} id={quoteattr(row.id)}/>"
    displayed = f"<displayed xmlns='{_NS_DISPLAYED}'>{stanza_id}</displayed>"
    return (
        f"<pubsub xmlns='{NS_PUBSUB}'><publish node='{_NS_DISPLAYED}'>"
        f"<item id={quoteattr(jid)}>{displayed}</item></publish>{_publish_options()}</pubsub>"
    )


def _publish_options() -> str:
    form_type = f"{NS_PUBSUB}#publish-options"
    fields = "".join(
        f"<field var='{name}'><value>{value}</value></field>"
        for name, value in {"FORM_TYPE": form_type, **_OPTIONS}.items()
    )
    form = f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>"
    return f"<publish-options>{form}</publish-options>"
