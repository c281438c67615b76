"""The REST gateway over a real store, with a server in the place of ejabberd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp.test_utils import TestClient

from component.core.events.session_changes import SessionChanges
from component.core.gateway.settings import GatewaySettings
from component.core.hosts import Hosts
from component.core.sessions import commands, events
from component.core.sessions.actions import SessionActions
from component.core.sessions.delivery import Delivery
from component.core.sessions.machine import Limits, Phase, SessionMachine
from component.core.sessions.outgoing import Request, Subscription
from component.web.server.settings import Services, WebSettings
from component.wiring.gateway import with_gateway
from storage.rows import Contact
from support.client_sessions import EchoServer
from support.http_services import HOST
from support.sending import sender_of
from support.sign_in import BOTH, with_sign_in

ALICE, BOB, CAROL = f"alice@{HOST}", f"bob@{HOST}", f"carol@{HOST}"
PASSWORD = "pencil"


class FakeSession:
    """The connection of one account to a server that does what it is asked at once."""

    def __init__(self, server: FakeSessions, owner: str) -> None:
        self._server = server
        self._owner = owner
        self.machine = SessionMachine(owner, now=0.0, limits=Limits(), uniform=max)
        self.sent: list[commands.Command] = []
        self.deliveries: dict[str, Delivery] = {}

    def report(self, event: events.Event) -> None:
        """Tell the machine what happened, and do what it wants."""
        for command in self.machine.handle(event, 0.0):
            self.sent.append(command)
            self._do(command)

    async def wait_for(self, condition: Callable[[SessionMachine], bool], _: float) -> bool:
        """Return whether the machine meets a condition: nothing takes any time here."""
        return condition(self.machine)

    def _subscribe(self, subscription: Subscription) -> None:
        """Change the roster as a server does."""
        jid, contacts = subscription.to, self.machine.contacts
        if subscription.type == "subscribe":
            self.report(replace(contacts[jid], is_asked=True))
        elif subscription.type == "subscribed":
            self.report(events.RosterItem(jid=jid, subscription="from"))
        elif jid in contacts:
            self.report(replace(contacts[jid], subscription="none"))

    def _do(self, command: commands.Command) -> None:
        match command:
            case commands.Connect() if self._server.accepts:
                self.report(events.LoggedIn())
            case commands.Connect() if self._server.refuses:
                self.report(events.LoginRefused())
            case commands.Announce():
                self.report(events.RosterReceived(self._server.roster))
            case commands.SetContact(jid, name, groups):
                before = self.machine.contacts.get(jid, events.RosterItem(jid=jid))
                self.report(replace(before, name=name, groups=groups))
            case commands.RemoveContact(jid):
                self.report(events.RosterItem(jid=jid, subscription="remove"))
            case commands.Transmit(Subscription() as subscription):
                self._subscribe(subscription)
                self.report(events.Answered(subscription.id))
            case commands.Succeed(id):
                self.deliveries[id].succeed()
            case commands.Notify(change):
                self._server.changes.note(self._owner, change)


@dataclass
class FakeSessions:
    """The connections of all accounts; implements `UserSessions` and `ClientSessions` of core."""

    changes: SessionChanges
    roster: tuple[events.RosterItem, ...] = ()
    accepts: bool = True  #: whether logins succeed
    refuses: bool = False  #: whether logins are refused
    open: dict[str, FakeSession] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.open)

    def session(self, owner: str) -> FakeSession:
        """Return the session of an account."""
        session = self.open.get(owner)
        if session is None or session.machine.phase is Phase.CLOSED:
            session = self.open[owner] = FakeSession(self, owner)
        session.report(events.Used())
        return session

    @contextmanager
    def delivery(self, owner: str, message: Request) -> Iterator[Delivery]:
        """Send a stanza of a user."""
        session = self.session(owner)
        delivery = session.deliveries[message.id] = Delivery()
        session.report(events.Send(message))
        yield delivery

    def rooms(self, owner: str) -> tuple[str, ...]:
        """Return the rooms that a user is in: none."""
        return ()

    def leave(self, owner: str, room: str) -> None:
        """Do nothing."""

    def catch_up(self, services: Services) -> None:
        """Enter what the sessions know into journals that are opened."""

        def opened(owner: str) -> None:
            session = self.open.get(owner)
            self.changes.catch_up(owner, session and session.machine)

        services.journal.on_opened(opened)

    def close_session(self, owner: str) -> None:
        """Close the session of an account."""
        self.open.pop(owner, None)


@dataclass
class GatewayWorld:
    """The services with a gateway, and the fakes that it uses."""

    services: Services
    web: WebSettings
    sessions: FakeSessions
    server: EchoServer

    async def befriend(self, *roster: events.RosterItem) -> None:
        """Let the server and the store have this roster of alice."""
        self.sessions.roster = roster
        for item in roster:
            await self.services.storage.contacts.put(
                ALICE,
                Contact(
                    jid=item.jid,
                    name=item.name,
                    subscription=item.subscription,
                    groups=item.groups,
                ),
            )

    def restarted(self) -> GatewayWorld:
        """Return the same after a restart: what is in memory alone is lost."""
        sessions = FakeSessions(self.sessions.changes, self.sessions.roster)
        sessions.catch_up(self.services)
        services = replace(self.services, gateway=None, session_actions=SessionActions(sessions))
        services = with_gateway(services, self.web, sessions)
        return replace(self, services=services, sessions=sessions)


def with_gateway_for(services: Services, web: WebSettings = BOTH) -> Services:
    """Return services with a gateway to a server without accounts."""
    sessions = FakeSessions(SessionChanges(services.journal))
    sender = sender_of(services, EchoServer(services.queue), web=web)
    actions = SessionActions(sessions)
    return with_gateway(replace(services, sender=sender, session_actions=actions), web, sessions)


async def gateway_world(
    services: Services, *, poll_seconds: float = 50.0, **options: Any
) -> GatewayWorld:
    """Return services with a gateway; `options` are those of GatewaySettings."""
    for jid in (ALICE, BOB):
        await services.accounts.admin.register(jid, PASSWORD)
    web = replace(BOTH, gateway=GatewaySettings(**options), poll_seconds=poll_seconds)
    server = EchoServer(services.queue)
    sender = sender_of(services, server, web=web)
    signing_in = replace(with_sign_in(services), sender=sender, hosts=Hosts([HOST]))
    sessions = FakeSessions(SessionChanges(services.journal))
    sessions.catch_up(services)
    signing_in = replace(signing_in, session_actions=SessionActions(sessions, taken_seconds=2.0))
    return GatewayWorld(with_gateway(signing_in, web, sessions), web, sessions, server)


@dataclass
class OldClient:
    """A program that was written for REST-XMPP-Client; it knows its base URL and nothing else."""

    http: TestClient
    session_id: str = ""
    token: str = ""

    async def start(self, jid: str = ALICE, **fields: str) -> dict[str, Any]:
        """Start a session."""
        form = {"jid": jid, "password": PASSWORD, "server": HOST, **fields}
        response = await self.http.post("/start-session", data=form)
        assert response.status == 200, await response.text()
        session: dict[str, Any] = (await response.json())["session"]
        self.session_id, self.token = session["session_id"], session["token"]
        return session

    async def call(
        self, method: str, path: str = "", status: int = 200, json: Any = None, **query: Any
    ) -> Any:
        """Return the answer to a request about the session."""
        response = await self.http.request(
            method,
            f"/sessions/{self.session_id}{path}",
            json=json,
            params={name: str(value) for name, value in query.items()},
            headers={"Authorization": f"Bearer {self.token}"},
        )
        assert response.status == status, f"{response.status}: {await response.text()}"
        return await response.json()

    async def get(self, path: str, status: int = 200, **query: Any) -> Any:
        """Return the answer to a GET."""
        return await self.call("GET", path, status, **query)

    async def contact(self, jid: str) -> dict[str, Any]:
        """Return a contact by its JID."""
        contacts = (await self.get("/contacts"))["contacts"]
        [contact] = [contact for contact in contacts if contact["jid"] == jid]
        return contact  # type: ignore[no-any-return]
