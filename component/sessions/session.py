"""One session: carries out the commands of its machine, and tells it what happens."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import singledispatchmethod
from typing import Any

from component.core.errors import Refused
from component.core.sessions import commands, events
from component.core.sessions.credentials import Credentials, IssueToken
from component.core.sessions.delivery import Delivery, Undelivered
from component.core.sessions.machine import PRESENCES_SECONDS, Limits, Phase, SessionMachine
from component.core.sessions.outgoing import Request
from component.core.sessions.servers import Server
from component.sessions.connection import Connection, Login, OnMessage

log = logging.getLogger(__name__)

#: Called with the owner of a session and a change.
OnChange = Callable[[str, commands.Change], None]


class Session:
    """The session of one account."""

    def __init__(
        self,
        owner: str,
        server: Server,
        credentials: Credentials,
        issue_token: IssueToken,
        limits: Limits,
        on_change: OnChange,
        logins: asyncio.Semaphore,
        on_message: OnMessage | None = None,
    ) -> None:
        """`logins` limits the logins that all sessions make at once.

        `on_message` is called with the XML of each message, if somebody has to archive it.
        """
        self._owner = owner
        self._credentials = credentials
        self._issue_token = issue_token
        self._on_change = on_change
        self._logins = logins
        self._loop = asyncio.get_running_loop()
        self._connection = Connection(owner, server, self.report, on_message)
        self._deliveries: dict[str, Delivery] = {}
        self._task: asyncio.Task[None] | None = None  # connects, or ends
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()  # set after each event
        self.machine = SessionMachine(
            owner, now=self._loop.time(), limits=limits, uniform=random.uniform
        )

    @property
    def is_closed(self) -> bool:
        """Whether the session is over."""
        return self.machine.phase is Phase.CLOSED

    def report(self, event: events.Event) -> None:
        """Tell the machine what happened, and carry out its commands."""
        for command in self.machine.handle(event, self._loop.time()):
            self._execute(command)
        self._changed.set()

    async def wait_for(self, condition: Callable[[SessionMachine], bool], seconds: float) -> bool:
        """Wait until the machine meets a condition; return whether it does within some seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition(self.machine) and not self.is_closed:
                    self._changed.clear()
                    await self._changed.wait()
        return condition(self.machine)

    @contextmanager
    def delivery(self, message: Request) -> Iterator[Delivery]:
        """Send a stanza, or enter a room; failures are noted as long as the context is open."""
        delivery = self._deliveries[message.id] = Delivery()
        try:
            self.report(events.Send(message))
            yield delivery
        finally:
            del self._deliveries[message.id]
            self.report(events.Settled(message.id))

    async def end(self) -> None:
        """End the session, and wait for that."""
        self.report(events.Closed())
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    @singledispatchmethod
    def _execute(self, command: object) -> None:
        raise TypeError(command)

    @_execute.register
    def _(self, _: commands.Connect) -> None:
        self._run(self._connect())

    @_execute.register
    def _(self, command: commands.Wait) -> None:
        self._timer = self._loop.call_later(command.seconds, self.report, events.PauseEnded())

    @_execute.register
    def _(self, _: commands.Disconnect) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._run(self._disconnect(self._task))

    @_execute.register
    def _(self, command: commands.Announce) -> None:
        self._connection.announce(command.presence)

    @_execute.register
    def _(self, command: commands.Transmit) -> None:
        self._connection.transmit(command.message)

    @_execute.register
    def _(self, command: commands.Ask) -> None:
        self._connection.ask(command.query)

    @_execute.register
    def _(self, command: commands.Join) -> None:
        self._connection.join(command.room, command.nick)

    @_execute.register
    def _(self, command: commands.Leave) -> None:
        self._connection.leave(command.room, command.nick)

    @_execute.register
    def _(self, command: commands.SendReceipt) -> None:
        self._connection.send_receipt(command.to, command.id)

    @_execute.register
    def _(self, command: commands.SetContact) -> None:
        self._connection.set_contact(command.jid, command.name, command.groups)

    @_execute.register
    def _(self, command: commands.RemoveContact) -> None:
        self._connection.remove_contact(command.jid)

    @_execute.register
    def _(self, command: commands.Succeed) -> None:
        if command.id in self._deliveries:
            self._deliveries[command.id].succeed(command.result)

    @_execute.register
    def _(self, command: commands.Fail) -> None:
        if command.id in self._deliveries:
            self._deliveries[command.id].fail(Undelivered(command))

    @_execute.register
    def _(self, command: commands.Notify) -> None:
        self._on_change(self._owner, command.change)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = self._loop.create_task(work)

    async def _connect(self) -> None:
        try:
            async with self._logins:
                event = await self._log_in()
            self.report(event)
            if event == events.LoggedIn(is_resumed=False):
                # A little later than the machine asks for: clocks are not exact.
                self._loop.call_later(PRESENCES_SECONDS + 0.5, self.report, events.PresencesCame())
        except Refused as refused:
            log.warning("no session of %s: %s", self._owner, refused.message)
            self.report(events.ConnectionLost())
        except Exception:
            log.exception("a session of %s has failed", self._owner)
            self.report(events.ConnectionLost())

    async def _log_in(self) -> events.Event:
        if not self._connection.is_of_owner:
            return events.LoginRefused()
        for credential in await self._credentials.of(self._owner, self._issue_token):
            outcome = await self._connection.log_in(credential)
            if outcome is Login.FAILED:
                log.info("no session of %s: the server did not decide on its login", self._owner)
                return events.ConnectionLost()
            if outcome is Login.REFUSED:
                self._credentials.refused(credential)
                continue
            self._credentials.accepted(credential)
            return events.LoggedIn(is_resumed=outcome is Login.RESUMED)
        return events.LoginRefused()

    async def _disconnect(self, connecting: asyncio.Task[None] | None) -> None:
        if connecting is not None:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
        await self._connection.end()
