"""XEP-0050: Ad-Hoc Commands, version 1.3.0: commands with one form or none, in sessions."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from component.core.errors import BadRequest, ItemNotFound, NotAllowed, Refused
from component.core.xml.characters import shown
from component.xmpp.queries.disco import Item
from component.xmpp.queries.exchange import Exchange
from component.xmpp.queries.forms import NS as NS_FORM
from component.xmpp.queries.forms import Form, Values, form_xml, submitted

NS = "http://jabber.org/protocol/commands"

COMMAND = f"{{{NS}}}command"

ACTIONS = ("execute", "cancel", "prev", "next", "complete")

#: Ids that we generate are far shorter.
SESSION_ID_MAX = 256

#: Greatest number of sessions, ended ones included: of all requesters, and of one requester.
SESSIONS_MAX = 1000
SESSIONS_PER_REQUESTER_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """Result of a completed command."""

    note: str  #: for people
    payload: str = ""  #: XML before the note


def _anybody(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class AdHocCommand:
    """A command with one form, or with none."""

    node: str
    name: str
    #: Returns the form to fill in, None for a command without one. Raises Refused.
    form: Callable[[Exchange], Awaitable[Form | None]]
    #: Runs the command with the submitted values. Raises Refused.
    run: Callable[[Exchange, Values], Awaitable[Completion]]
    #: Whether service discovery lists the command to a requester, by bare JID.
    is_open_to: Callable[[str], bool] = _anybody
    #: Whether a refusal is a stanza error (XEP-0133 section 5) or a note of a completed command.
    has_errors: bool = False


@dataclass(slots=True, kw_only=True)
class _Session:
    """A session of one command and one requester."""

    asker: str
    requester: str
    owner: str
    node: str
    has_ended: bool = False


class AdHocCommands:
    """Answers requests to execute commands, and keeps their sessions."""

    def __init__(
        self,
        commands: Iterable[AdHocCommand],
        *,
        sessions_max: int = SESSIONS_MAX,
        sessions_per_requester_max: int = SESSIONS_PER_REQUESTER_MAX,
    ) -> None:
        """The oldest session is evicted when there are more, of all or of one requester."""
        self._sessions_max = sessions_max
        self._sessions_per_requester_max = sessions_per_requester_max
        self._commands = {command.node: command for command in commands}
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def items(self) -> tuple[Item, ...]:
        """Return the items of service discovery for the commands (section 2.2)."""
        listed = Item(
            node=NS, under="", name="Commands", category="automation", kind="command-list"
        )
        return listed, *(
            Item(
                node=command.node,
                under=NS,
                name=command.name,
                category="automation",
                kind="command-node",
                features=(NS, NS_FORM),
                is_open_to=command.is_open_to,
            )
            for command in self._commands.values()
        )

    async def answer(self, type: str, request: Element, exchange: Exchange) -> str:
        """Return the answer to one request, as XML. Raises Refused."""
        command = self._commands.get(request.get("node", ""))
        action = request.get("action", "execute")
        if type != "set":
            raise BadRequest("a command is executed by an IQ of type set")
        if command is None:
            raise ItemNotFound("there is no command at this node")
        if action not in ACTIONS:
            raise _bad(f"{action[:20]!r} is no action", "malformed-action")
        if action in ("prev", "next"):
            raise _bad("this command has one stage only", "bad-action")
        id = request.get("sessionid")
        if id is not None and len(id) > SESSION_ID_MAX:
            raise _bad(f"sessionid has {SESSION_ID_MAX} characters at most", "bad-sessionid")
        if id is None:
            return await self._begin(command, action, exchange)
        session = self._session(id, command, exchange)
        if action == "cancel":
            session.has_ended = True
            return exchange.result(_command_xml(command, id, "canceled"))
        return await self._complete(command, id, session, _values(request), exchange)

    async def _begin(self, command: AdHocCommand, action: str, exchange: Exchange) -> str:
        if action != "execute":
            raise _bad("a command begins by executing it", "bad-action")
        form = await command.form(exchange)
        id = secrets.token_urlsafe()
        session = self._sessions[id] = _Session(
            asker=exchange.asker,
            requester=exchange.requester,
            owner=exchange.owner,
            node=command.node,
        )
        self._evict_one(exchange.requester)
        if form is None:
            return await self._complete(command, id, session, {}, exchange)
        actions = "<actions execute='complete'><complete/></actions>"
        return exchange.result(_command_xml(command, id, "executing", actions + form_xml(form)))

    def _evict_one(self, requester: str) -> None:
        """Evict the oldest session of a requester, or of all requesters, if there are too many."""
        own = [id for id, session in self._sessions.items() if session.requester == requester]
        if len(own) > self._sessions_per_requester_max:
            del self._sessions[own[0]]
        elif len(self._sessions) > self._sessions_max:
            self._sessions.popitem(last=False)

    def _session(self, id: str, command: AdHocCommand, exchange: Exchange) -> _Session:
        session = self._sessions.get(id)
        is_own = session and (session.asker, session.owner, session.node) == (
            exchange.asker,
            exchange.owner,
            command.node,
        )
        if session is None or not is_own:
            raise _bad("there is no such session, or it has expired", "bad-sessionid")
        if session.has_ended:
            raise NotAllowed("this session has ended", specific=(NS, "session-expired"))
        return session

    async def _complete(
        self, command: AdHocCommand, id: str, session: _Session, values: Values, exchange: Exchange
    ) -> str:
        # Before the first await, so that a second request meanwhile does not run it again.
        session.has_ended = True
        try:
            completion = await command.run(exchange, values)
            content = completion.payload + _note_xml("info", completion.note)
        except BadRequest as refused:
            session.has_ended = False
            raise _bad(refused.message, "bad-payload") from refused
        except Refused as refused:
            if command.has_errors:
                session.has_ended = False
                raise
            content = _note_xml("error", refused.message)
        return exchange.result(_command_xml(command, id, "completed", content))


def _values(request: Element) -> Values:
    """Return the values of the submitted form. Raises BadRequest."""
    try:
        return submitted(request)
    except BadRequest as refused:
        raise _bad(refused.message, "bad-payload") from refused


def _bad(message: str, condition: str) -> BadRequest:
    """Return a refusal with one of the conditions of section 4.4."""
    return BadRequest(message, specific=(NS, condition))


def _command_xml(command: AdHocCommand, id: str, status: str, content: str = "") -> str:
    return (
        f"<command xmlns='{NS}' node={quoteattr(command.node)} sessionid='{id}'"
        f" status='{status}' xml:lang='en'>{content}</command>"
    )


def _note_xml(type: str, text: str) -> str:
    return f"<note type='{type}'>{escape(shown(text))}</note>"
