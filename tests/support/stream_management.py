"""Resume sessions after the loss of a connection (XEP-0198)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from support.ejabberd import Account
from support.raw import Client
from support.stanzas import CLIENT

NS_SM = "urn:xmpp:sm:3"
SM = f"{{{NS_SM}}}"


@dataclass(frozen=True, slots=True)
class Session:
    """The state that resumes a session."""

    id: str
    handled: int = 0  #: number of acknowledged stanzas of the server


class ResumingClient(Client):
    """A client that resumes a session instead of binding a resource."""

    def __init__(self, account: Account, port: int, session: Session) -> None:
        super().__init__(account, port)
        self._session = session

    async def bind(self) -> None:
        """Resume the session in place of a new one."""
        session = self._session
        self.send(
            f"<resume xmlns='{NS_SM}' previd={quoteattr(session.id)} h='{session.handled}'/>"
        )
        await self.wait_for(lambda stanza: stanza.tag == f"{SM}resumed")


@asynccontextmanager
async def cut_off(client: Client) -> AsyncIterator[Client]:
    """Log in, and cut the connection at the end instead of closing the stream."""
    await client.__aenter__()
    try:
        yield client
    finally:
        await client.abort()


async def manage(client: Client) -> Session:
    """Enable stream management; no stanza may be under way."""
    client.send(f"<enable xmlns='{NS_SM}' resume='true'/>")
    enabled = await client.wait_for(lambda stanza: stanza.tag == f"{SM}enabled")
    return Session(enabled.attrib["id"])


def acknowledge(client: Client, session: Session) -> Session:
    """Acknowledge all stanzas received so far."""
    tags = [stanza.tag for stanza in client.received]
    since = tags[tags.index(f"{SM}enabled") :]
    handled = sum(tag.startswith(CLIENT) for tag in since)
    client.send(f"<a xmlns='{NS_SM}' h='{handled}'/>")
    return Session(session.id, handled)
