"""The configurations of the compose file: the newest ejabberd and Muniment work with them."""

from __future__ import annotations

from pathlib import Path

from support import mam
from support.compose import content
from support.ejabberd import Account, Ejabberd
from support.muniment import Muniment
from support.raw import Client
from support.releases import unpacked

from component.config.ejabberd_yml import NEWEST

HOST, COMPONENT, SECRET = "chat.example", "muniment.internal", "the secret of the component"


async def test_ejabberd_of_the_compose_file_has_its_messages_archived(tmp_path: Path) -> None:
    """The ports and the addresses are those of this machine, and the store is a file."""
    ejabberd = Ejabberd(
        tmp_path / "ejabberd",
        unpacked(str(NEWEST)),
        hosts=(HOST,),
        component=COMPONENT,
        secret=SECRET,
    )
    ports = ejabberd.ports
    text = content({"XMPP_HOST": HOST, "XMPP_SECRET": SECRET}, "ejabberd")
    for port, free in ((5222, ports.c2s), (5275, ports.component), (5280, ports.http)):
        assert text.count(f"port: {port}\n") == 1
        text = text.replace(f"port: {port}\n", f"port: {free}\n")
    ejabberd.config = text.replace('ip: "::"', 'ip: "127.0.0.1"')

    with ejabberd, Muniment(tmp_path / "muniment", ejabberd):
        alice, bob = (Account(name, HOST, f"the password of {name}") for name in ("alice", "bob"))
        ejabberd.register(alice, bob)
        async with Client(alice, ports.c2s) as a, Client(bob, ports.c2s) as b:
            await a.be_available()
            await b.be_available()
            a.say(bob.jid, "in a container")
            await mam.wait_for_bodies(b, ["in a container"])
            await mam.wait_for_bodies(a, ["in a container"])
