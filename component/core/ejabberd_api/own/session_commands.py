"""Commands that act through a session of the user: chat states, subscriptions, rooms."""

from __future__ import annotations

from uuid import uuid4

from component.core.access.principals import User
from component.core.ejabberd_api.native.backend import VERSIONED_SINCE, Backend
from component.core.ejabberd_api.own.request import OwnRequest, SignIn
from component.core.ejabberd_api.refusals import ApiRefusal, of_room
from component.core.ejabberd_api.results import DONE
from component.core.errors import BadRequest, Conflict, NotAllowed, NotAuthorized
from component.core.sessions.actions import SessionActions
from component.core.sessions.delivery import Undelivered
from component.core.sessions.outgoing import ChatState, Outgoing, SubscriptionType, nick_of
from component.core.sessions.sending import Sender
from component.core.xml.jids import Jids, bare

#: The events of a room that a subscriber gets (MUC/Sub of ejabberd).
MESSAGES_NODE = "urn:xmpp:mucsub:nodes:messages"

NO_SESSIONS = (
    "Users have no sessions, through which this would go: set tokens.key_file and "
    "sessions.enabled."
)


class SessionCommands:
    """Runs commands through the sessions of users."""

    def __init__(
        self,
        backend: Backend,
        jids: Jids,
        sender: Sender | None,
        actions: SessionActions | None,
        sign_in: SignIn,
    ) -> None:
        """`sender` and `actions` are None where users have no sessions."""
        self._backend = backend
        self._jids = jids
        self._sender = sender
        self._actions = actions
        self._sign_in = sign_in

    async def send_chat_state(self, request: OwnRequest) -> int:
        """Send a chat state (XEP-0085) to a user."""
        if request.text("state") not in list(ChatState):
            raise BadRequest(f"state: expected one of {', '.join(ChatState)}")
        owner, to = self._address(request, "from"), self._address(request, "to")
        if self._sender is None:
            raise NotAllowed(NO_SESSIONS)
        await self._log_in(request, owner)
        message = Outgoing(
            id=str(uuid4()), to=to, type="chat", payload=ChatState(request.text("state"))
        )
        try:
            await self._sender.send(User(owner), message, may_be_repeated=False)
        except Undelivered as failure:
            # Nobody stores a chat state for a contact who is away (XEP-0085 section 5.5).
            if failure.condition != "service-unavailable":
                raise
        return DONE

    async def subscribe(self, request: OwnRequest) -> int:
        """Ask to see the presence of a contact (RFC 6121 section 3.1)."""
        return await self._send_subscription(request, "subscribe")

    async def unsubscribe(self, request: OwnRequest) -> int:
        """End the subscription to the presence of a contact (RFC 6121 section 3.3)."""
        return await self._send_subscription(request, "unsubscribe")

    async def join(self, request: OwnRequest) -> int:
        """Enter a room through a session of the user, or subscribe the user to it (MUC/Sub)."""
        owner, room = request.account(self._jids), request.room(self._jids)
        if self._actions is not None and request.is_of(owner):
            nick, name = request.text("nick"), nick_of(owner)
            if nick and nick.lower() != name:
                raise BadRequest(f"nick: in rooms the session of {owner} has the nick {name}")
            await self._log_in(request, owner)
            try:
                await self._actions.enter(User(owner), room)
            except Undelivered as failure:
                raise of_room(failure) from failure
            return DONE
        release = await self._backend.release()
        await self._backend.call(
            "subscribe_room",
            user=owner,
            nick=request.text("nick") or nick_of(owner),
            room=room,
            nodes=[MESSAGES_NODE] if release >= VERSIONED_SINCE else MESSAGES_NODE,
        )
        return DONE

    async def leave(self, request: OwnRequest) -> int:
        """Leave a room that the session of the user is in, and end a subscription to it."""
        owner, room = request.account(self._jids), request.room(self._jids)
        subscribers = await self._backend.call(
            "get_subscribers", name=request.text("room"), service=request.text("service")
        )
        is_subscribed = owner in subscribers
        if is_subscribed:
            await self._backend.call("unsubscribe_room", user=owner, room=room)
        # Last, because a temporary room ends with its last occupant.
        if self._actions is not None and room in self._actions.rooms(User(owner)):
            self._actions.leave(User(owner), room)
        elif not is_subscribed:
            raise ApiRefusal(
                404,
                f"{owner} is not in the room through Muniment, and not subscribed to it.",
                reason="not_in_room",
            )
        return DONE

    async def _send_subscription(self, request: OwnRequest, type: SubscriptionType) -> int:
        owner = request.account(self._jids, "localuser", "localhost")
        contact = request.account(self._jids)
        if self._actions is None:
            raise NotAllowed(NO_SESSIONS)
        await self._log_in(request, owner)
        await self._actions.send_subscription(User(owner), contact, type)
        return DONE

    async def _log_in(self, request: OwnRequest, owner: str) -> None:
        """Let a session of the owner log in. Raises Conflict if it cannot."""
        password = request.password if request.is_of(owner) else None
        try:
            await self._sign_in(owner, password)
        except NotAuthorized as error:
            raise Conflict(
                f"{owner} is signed in nowhere, so Muniment cannot act as this user."
            ) from error

    def _address(self, request: OwnRequest, name: str) -> str:
        try:
            return bare(self._jids.prepare(request.text(name)))
        except BadRequest as error:
            raise BadRequest(f"{name}: {error.message}") from error
