"""Changes of contacts, messages to them and receipts, by the connections of users to ejabberd."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from uuid import uuid4

from cachetools import LRUCache

from component.core.access.principals import User
from component.core.errors import Refused
from component.core.events.journal import EventJournal
from component.core.gateway.contacts import GatewayContact, contact_id
from component.core.gateway.errors import AuthError, ContactError, SendError
from component.core.gateway.messages import GatewayMessage, Receipt
from component.core.gateway.offsets import timestamp
from component.core.gateway.reader import GatewayReader
from component.core.gateway.sessions import GatewaySessions
from component.core.gateway.xmpp import is_ready
from component.core.sessions import events
from component.core.sessions.actions import SessionActions
from component.core.sessions.delivery import Undelivered
from component.core.sessions.machine import SessionMachine
from component.core.sessions.outgoing import Outgoing, SubscriptionType, Text
from component.core.sessions.sending import Sender
from component.core.store_errors import translated
from component.core.xml.times import now
from storage.interface import Archive
from storage.rows import DisplayedMarker

#: Seconds that ejabberd may take to change a roster.
CHANGE_SECONDS = 3.0

#: Receipts that are remembered, so that they are sent once even if the archive does not keep them.
RECEIPTS_MAX = 10_000

_SEES_US = frozenset({"from", "both"})


class ContactBook:
    """Changes contacts, sends messages to them, and acknowledges theirs."""

    def __init__(
        self,
        archive: Archive,
        reader: GatewayReader,
        sessions: GatewaySessions,
        sender: Sender,
        actions: SessionActions,
        journal: EventJournal,
        on_displayed: Callable[[Collection[str]], None],
    ) -> None:
        """`on_displayed` is called with the owners who have displayed messages."""
        self._archive = archive
        self._reader = reader
        self._sessions = sessions
        self._sender = sender
        self._actions = actions
        self._journal = journal
        self._on_displayed = on_displayed
        self._acknowledged: LRUCache[tuple[str, Receipt], None] = LRUCache(RECEIPTS_MAX)

    async def find(self, owner: str, id: str) -> GatewayContact:
        """Return a contact. Raises ContactError, Overloaded."""
        for contact in await self._reader.contacts(owner):
            if contact.id == id:
                return contact
        raise ContactError(id)

    async def add(self, owner: str, jid: str, name: str | None) -> GatewayContact:
        """Add a contact, and ask to see its presence.

        Raises ContactError, UpstreamConnectionError, AuthError, Overloaded.
        """
        connection = await self._sessions.connection(owner)
        connection.report(events.ChangeContact(jid=jid, name=name))
        await connection.wait_for(_has(jid, name), CHANGE_SECONDS)
        # If the contact cannot be reached, it is a contact all the same.
        with suppress(SendError):
            await self._send_subscription(owner, jid, "subscribe")
        return await self.find(owner, contact_id(owner, jid))

    async def rename(self, owner: str, jid: str, name: str) -> None:
        """Rename a contact. Raises UpstreamConnectionError, AuthError."""
        connection = await self._sessions.connection(owner)
        connection.report(events.ChangeContact(jid=jid, name=name))
        await connection.wait_for(_has(jid, name), CHANGE_SECONDS)

    async def authorize(self, owner: str, contact: GatewayContact, *, is_granted: bool) -> None:
        """Let a contact see the presence of the user, or not.

        Raises UpstreamConnectionError, AuthError, SendError.
        """
        connection = await self._sessions.connection(owner)
        answer: SubscriptionType = "subscribed" if is_granted else "unsubscribed"
        await self._send_subscription(owner, contact.jid, answer)
        is_changing = is_granted or contact.subscription in _SEES_US
        if is_changing:
            await connection.wait_for(_sees(contact.jid, is_granted), CHANGE_SECONDS)
        self._journal.note_request_ended(owner, contact.jid)

    async def read_up_to(self, owner: str, jid: str, event_id: int) -> None:
        """Note that the user has seen the messages of a contact up to an event."""
        id = await self._reader.message_at(owner, jid, event_id)
        if id is not None:
            with translated():
                marker = DisplayedMarker(owner=owner, peer=jid, id=id)
                self._on_displayed(await self._archive.note_displayed([marker]))

    async def remove(self, owner: str, contact: GatewayContact) -> None:
        """Remove a contact, or refuse its request.

        Raises UpstreamConnectionError, AuthError, SendError.
        """
        connection = await self._sessions.connection(owner)
        if contact.jid in connection.machine.contacts:
            connection.report(events.RemoveContact(contact.jid))
            await connection.wait_for(_lacks(contact.jid), CHANGE_SECONDS)
        if contact.jid in connection.machine.requests:
            await self._send_subscription(owner, contact.jid, "unsubscribed")
        self._journal.note_request_ended(owner, contact.jid)

    async def send(
        self, owner: str, contact: GatewayContact, text: str, id: str | None
    ) -> GatewayMessage:
        """Send a message to a contact, once for each `id` that is given.

        Raises SendError, AuthError if the user has to sign in again, Conflict, Overloaded.
        """
        message = Outgoing(id=id or str(uuid4()), to=contact.jid, type="chat", payload=Text(text))
        try:
            sent = await self._sender.send(User(owner), message, may_be_repeated=id is not None)
        except Undelivered as failure:
            raise _refusal(failure) from failure
        if sent.item is not None:
            archived = await self._reader.sent(owner, contact.jid, sent.item.message.stored.id)
            if archived is not None:
                return archived
        return GatewayMessage(
            event_id=await self._reader.place(owner),
            inbound=False,
            text=text,
            timestamp=timestamp(now()),
            contact_id=contact.id,
            message_id=message.id,
            delivered=False,
            delivery_receipt_asked=True,
        )

    async def _send_subscription(self, owner: str, jid: str, type: SubscriptionType) -> None:
        try:
            await self._actions.send_subscription(User(owner), jid, type)
        except Undelivered as failure:
            raise _refusal(failure) from failure

    def acknowledge(self, owner: str, receipts: Collection[Receipt]) -> None:
        """Send the receipts that are due for messages that a program has read.

        Those that cannot be sent now are due again at the next read.
        """
        connection = self._sessions.use(owner) if receipts else None
        if connection is None or not is_ready(connection.machine):
            return
        for receipt in receipts:
            if (owner, receipt) not in self._acknowledged:
                self._acknowledged[owner, receipt] = None
                connection.report(events.Acknowledge(receipt.to, receipt.id))


def _refusal(failure: Undelivered) -> Refused:
    """Return the refusal of a stanza that was not delivered."""
    if failure.status == AuthError.status:
        return AuthError(failure.message)
    return SendError(f"Message sending failed: {failure.message}")


def _has(jid: str, name: str | None) -> Callable[[SessionMachine], bool]:
    def condition(machine: SessionMachine) -> bool:
        contact = machine.contacts.get(jid)
        return contact is not None and (name is None or contact.name == name)

    return condition


def _lacks(jid: str) -> Callable[[SessionMachine], bool]:
    return lambda machine: jid not in machine.contacts


def _sees(jid: str, is_granted: bool) -> Callable[[SessionMachine], bool]:
    def condition(machine: SessionMachine) -> bool:
        contact = machine.contacts.get(jid)
        return (contact is not None and contact.subscription in _SEES_US) == is_granted

    return condition
