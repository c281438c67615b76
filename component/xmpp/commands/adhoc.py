"""XEP-0050: Ad-Hoc Commands, version 1.3.0. Commands of one form each, in sessions."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from component.core.errors import BadRequest, ItemNotFound, NotAllowed, Refused
from component.xmpp.queries.disco import Item
from component.xmpp.queries.exchange import Exchange
from component.xmpp.queries.forms import NS as NS_FORM
from component.xmpp.queries.forms import Form, Values, form_xml, submitted

NS = "http://jabber.org/protocol/commands"

COMMAND = f"{{{NS}}}command"

ACTIONS = ("execute", "cancel", "prev", "next", "complete")

#: Ids of ours are far shorter.
SESSION_ID_MAX = 256

#: How many sessions are remembered, those that have ended too; and of one asker.
SESSIONS_MAX = 1000
SESSIONS_EACH_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What is told of a command that is done."""

    note: str
    payload: str = ""  #: XML beside it


def _anybody(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What somebody can have done by filling in a form."""

    node: str
    name: str
    #: None: nothing is asked for; raises Refused
    form: Callable[[Exchange], Awaitable[Form | None]]
    run: Callable[[Exchange, Values], Awaitable[Done]]  #: does what the form says; raises Refused
    is_open_to: Callable[[str], bool] = _anybody  #: who is told that it is there, by bare JID
    #: Whether a refusal is an error (XEP-0133 section 5), and not a note of a completed command.
    has_errors: bool = False


@dataclass(slots=True, kw_only=True)
class _Session:
    """One command under way, for one asker."""

    asker: str
    requester: str
    owner: str
    node: str
    has_ended: bool = False


class Commands:
    """Answers requests to execute commands."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self._commands = {command.node: command for command in commands}
        self._sessions: OrderedDict[str, _Session] = OrderedDict()

    def offer(self, commands: Iterable[Command]) -> None:
        """Have further commands, from now on."""
        self._commands |= {command.node: command for command in commands}

    def items(self) -> tuple[Item, ...]:
        """Return what service discovery tells of the commands (section 2.2)."""
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
        """Return the text that answers one request. Raises Refused."""
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

    async def _begin(self, command: Command, action: str, exchange: Exchange) -> str:
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
        self._forget_one(exchange.requester)
        if form is None:
            return await self._complete(command, id, session, {}, exchange)
        actions = "<actions execute='complete'><complete/></actions>"
        return exchange.result(_command_xml(command, id, "executing", actions + form_xml(form)))

    def _forget_one(self, requester: str) -> None:
        """Let go of the oldest session where there are too many, of one asker before of all."""
        of_theirs = [id for id, each in self._sessions.items() if each.requester == requester]
        if len(of_theirs) > SESSIONS_EACH_MAX:
            del self._sessions[of_theirs[0]]
        elif len(self._sessions) > SESSIONS_MAX:
            self._sessions.popitem(last=False)

    def _session(self, id: str, command: Command, exchange: Exchange) -> _Session:
        session = self._sessions.get(id)
        is_theirs = session and (session.asker, session.owner, session.node) == (
            exchange.asker,
            exchange.owner,
            command.node,
        )
        if session is None or not is_theirs:
            raise _bad("there is no such session, or none any more", "bad-sessionid")
        if session.has_ended:
            raise NotAllowed("this session has ended", specific=(NS, "session-expired"))
        return session

    async def _complete(
        self, command: Command, id: str, session: _Session, values: Values, exchange: Exchange
    ) -> str:
        # One that comes twice at the same time is done once.
        session.has_ended = True
        try:
            done = await command.run(exchange, values)
            told = done.payload + _note_xml("info", done.note)
        except BadRequest as refused:
            session.has_ended = False
            raise _bad(refused.message, "bad-payload") from refused
        except Refused as refused:
            if command.has_errors:
                session.has_ended = False
                raise
            told = _note_xml("error", refused.message)
        return exchange.result(_command_xml(command, id, "completed", told))


def _values(request: Element) -> Values:
    """Return what was filled in. Raises BadRequest."""
    try:
        return submitted(request)
    except BadRequest as refused:
        raise _bad(refused.message, "bad-payload") from refused


def _bad(message: str, condition: str) -> BadRequest:
    """Return a refusal with one of the conditions of section 4.4."""
    return BadRequest(message, specific=(NS, condition))


def _command_xml(command: Command, id: str, status: str, inside: str = "") -> str:
    return (
        f"<command xmlns='{NS}' node={quoteattr(command.node)} sessionid='{id}'"
        f" status='{status}' xml:lang='en'>{inside}</command>"
    )


def _note_xml(type: str, text: str) -> str:
    return f"<note type='{type}'>{escape(text)}</note>"
