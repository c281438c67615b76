"""A history of two users and a room on a server with an archive of its own."""

from __future__ import annotations

from dataclasses import dataclass
from ssl import SSLContext

from support import mam
from support.ejabberd import Account, Ejabberd
from support.prosody import Prosody
from support.raw import Client

OMEMO = (
    "I sent you an OMEMO encrypted message but your client doesn\u2019t seem to support that."
    " Find more information on https://conversations.im/omemo"
)

EXTRA = (
    "<origin-id xmlns='urn:xmpp:sid:0' id='o-1'/><markable xmlns='urn:xmpp:chat-markers:0'/>"
    "<x xmlns='urn:other' a='1 &lt; 2'><y>&amp;\u00e4</y></x>"
)

#: The texts of the messages between the two, in their order.
TEXTS = ("first", "second \u00e4\U0001f600 <&>", OMEMO, "third", "a longer text " * 20, "last")

PREFERENCES = (
    "<prefs xmlns='urn:xmpp:mam:2' default='roster'><always><jid>carol@one.test</jid></always>"
    "<never><jid>mallory@two.test</jid></never></prefs>"
)


CONFIGURATION = (
    "<query xmlns='http://jabber.org/protocol/muc#owner'><x xmlns='jabber:x:data' type='submit'>"
    "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>"
    "<field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query>"
)


@dataclass(frozen=True, slots=True)
class History:
    """What two users have said, as the archive of their server has it."""

    alice: Account
    bob: Account
    room: str
    results: tuple[mam.ArchiveResult, ...]  #: of the archive of alice
    room_results: tuple[mam.ArchiveResult, ...]


async def make_history(
    server: Ejabberd | Prosody, *, room: str = "room", tls: SSLContext | None = None
) -> History:
    """Have alice and bob write to each other and in a room, and set preferences."""
    host = server.hosts[0]
    alice, bob = Account("alice", host, "pencil-a"), Account("bob", host, "pencil-b")
    server.register(alice, bob)
    address = f"{room}@conference.{host}"
    port = server.ports.c2s
    async with (
        Client(alice, port, tls=tls) as alice_client,
        Client(bob, port, tls=tls) as bob_client,
    ):
        for client in (alice_client, bob_client):
            await client.be_available()
            await client.join(address, client.account.user)
        # A room that is not persistent ends with its last occupant, and its archive with it.
        await alice_client.ask("set", CONFIGURATION, to=address)
        for number, text in enumerate(TEXTS):
            sender, receiver = (
                (alice_client, bob_client) if number % 2 == 0 else (bob_client, alice_client)
            )
            sender.say(receiver.account.jid, text, extra=EXTRA if number == 1 else "")
            await receiver.wait_for_body(text)
        for client, text in ((alice_client, "in the room"), (bob_client, "so am I")):
            client.say(address, text, type="groupchat")
            for hearer in (alice_client, bob_client):
                await hearer.wait_for_body(text)
        await alice_client.ask("set", PREFERENCES)
        results = await mam.everything(alice_client)
        room_results = await mam.everything(alice_client, to=address)
    return History(alice, bob, address, tuple(results), tuple(room_results))
