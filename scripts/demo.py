#!/usr/bin/env python3
"""Show Muniment at work: a private ejabberd, two users who talk, and their archive, read two ways.

Everything lives in .run, or in the folder given as the argument, so a second run starts in seconds
and finds what was said in the first. The ejabberd is the one that is installed; where there is
none, scripts/ejabberd unpacks the newest that Muniment is tested with.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import secrets
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from shlex import quote
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from slixmpp import JID, ClientXMPP, Message  # noqa: E402
from support.ejabberd import Account, Ejabberd, Ports  # noqa: E402
from support.muniment import Muniment  # noqa: E402
from support.program import Failed  # noqa: E402
from support.releases import Release, Unavailable, installed_or_newest, unpacked  # noqa: E402
from support.slixmpp_client import slixmpp_client  # noqa: E402

HOSTS = ("chat.example", "team.example")
COMPONENT = "muniment.example"


def parse_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / ".run")
    parser.add_argument("--ejabberd", metavar="VERSION", help="unpack and run this version")
    return parser.parse_args()


OPTIONS = parse_options()
RUN = OPTIONS.folder.resolve()
SHOWN = 8
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

CONVERSATION = (
    ("alice", "Hi Bob, do you still have the plans of the town hall?"),
    ("bob", "Somewhere in the muniment room, I should think."),
    ("alice", "That is what I was afraid of."),
    ("bob", "Nothing gets lost there. It is only never found."),
    ("alice", "Then it is time for an archive that can be asked. 🗝"),
)


class AlreadyRunning(Exception):
    """The demo is running already, in another terminal."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def main() -> int:
    """Run until Ctrl-C or SIGTERM; return an exit code."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.default_int_handler)
    version = OPTIONS.ejabberd
    try:
        release = unpacked(version) if version else installed_or_newest()
        with ExitStack() as stack:
            demonstrate(stack, release)
    except KeyboardInterrupt:
        print("\nstopped")
        return 0
    except (AlreadyRunning, Failed, Unavailable, LookupError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def demonstrate(stack: ExitStack, release: Release) -> NoReturn:
    """Start everything, show it, keep it running; `stack` stops it again."""
    RUN.mkdir(mode=0o700, exist_ok=True)
    claim(stack)
    alice, bob = (Account(name, HOSTS[0], secret(f"{name}-password")) for name in ("alice", "bob"))
    say(f"Starting ejabberd {release.version}, configured by ejabberd.yml.example")
    ejabberd = stack.enter_context(
        Ejabberd(
            RUN / "ejabberd",
            release,
            hosts=HOSTS,
            component=COMPONENT,
            ports=Ports.free(c2s=5222, component=5275, http=5280),
            secret=secret("xmpp-secret"),
        )
    )
    ejabberd.register(alice, bob)
    say("Starting Muniment: muniment serve")
    files = {section: {"secret": f"file:{section}-secret"} for section in ("xmpp", "http")}
    muniment = stack.enter_context(
        Muniment(RUN, ejabberd, http_port=5281, secret=secret("http-secret"), options=files)
    )
    asyncio.run(talk(ejabberd, alice, bob))
    command = curl(muniment, alice)
    show_http(command)
    show_how_to_play(ejabberd, muniment, (alice, bob), command)
    # One Ctrl-C is enough, and a second one must not keep it from stopping in order.
    stack.callback(ignore_signals)
    while True:
        time.sleep(1)
        for program in (ejabberd, muniment):
            if not program.is_running:
                raise program.failed("has ended")


def claim(stack: ExitStack) -> None:
    """Keep others out of the folder: two ejabberd on one database would ruin it."""
    lock = stack.enter_context((RUN / "lock").open("w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyRunning from None


def secret(name: str) -> str:
    """Return a random secret, the same in every run."""
    place = RUN / name
    if not place.exists():
        place.touch(mode=0o600)
        place.write_text(secrets.token_hex(16) + "\n")
    return place.read_text().strip()


async def talk(ejabberd: Ejabberd, alice: Account, bob: Account) -> None:
    """Let two users exchange messages, and one of them read the archive."""
    port = ejabberd.ports.c2s
    async with slixmpp_client(alice, port) as hers, slixmpp_client(bob, port) as his:
        say("alice and bob talk, through ejabberd, with slixmpp")
        await converse({"alice": hers, "bob": his})
        say(f"alice asks ejabberd for her archive (XEP-0313): the last {SHOWN} messages")
        await show_archive(hers)


async def converse(clients: dict[str, ClientXMPP]) -> None:
    """Say each line once the one before has arrived."""
    heard: asyncio.Queue[Message] = asyncio.Queue()
    for client in clients.values():
        client.add_event_handler("message", heard.put_nowait)
    for speaker, text in CONVERSATION:
        (listener,) = clients.keys() - {speaker}
        to = JID(clients[listener].boundjid.bare)
        clients[speaker].send_message(to, text, mtype="chat")
        message = await asyncio.wait_for(heard.get(), timeout=10)
        print(f"  {speaker:>5}: {message['body']}")


async def show_archive(client: ClientXMPP) -> None:
    """Print the newest messages of an archive: when, who, text, id in the archive."""
    newest = client.plugin["xep_0313"].iterate(reverse=True, rsm={"max": SHOWN}, total=SHOWN)
    results = [message["mam_result"] async for message in newest]
    if not results:
        raise Failed(
            f"the archive of {client.boundjid.bare} is empty, though messages were sent: "
            f"{near(RUN / 'muniment.log')} says what ejabberd does not grant, and docs/doctor.md "
            "what to change"
        )
    for result in reversed(results):
        message = result["forwarded"]["stanza"]
        when = result["forwarded"]["delay"]["stamp"].astimezone()
        print(f"  {when:%Y-%m-%d %H:%M:%S}  {message['from'].user:>5}: {message['body']}")
        print(f"  {'':19}         id {result['id']}")


def curl(muniment: Muniment, account: Account) -> str:
    """Return the command that reads the newest messages over HTTP, without the secret in it."""
    header = f'"X-Api-Key: $(cat {quote(near(RUN / "http-secret"))})"'
    query = f"username={account.user}&before=last&limit=2"
    return f"curl -s -H {header} '{muniment.url}/api/archive?{query}'"


def show_http(command: str) -> None:
    """Run a command as the user would, and print its answer."""
    say("The same archive over HTTP")
    print(f"  $ {command}")
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise Failed(f"curl ended with {answer.returncode}: {answer.stderr or 'no answer'}")
    print(f"  {answer.stdout}")


def show_how_to_play(
    ejabberd: Ejabberd, muniment: Muniment, accounts: tuple[Account, ...], command: str
) -> None:
    """Print where everything is."""
    say("All of it keeps running. Ctrl-C stops it; what was archived stays.")
    print(f"  XMPP      127.0.0.1:{ejabberd.ports.c2s} without TLS, ", end="")
    print(f"ws://127.0.0.1:{ejabberd.ports.http}/ws in browsers")
    for account in accounts:
        print(f"            {account.jid}, password in {near(RUN / f'{account.user}-password')}")
    print(f"  HTTP      {command}")
    print(f"  archive   {near(RUN / 'muniment.db')}")
    for program in (ejabberd, muniment):
        print(f"  {program.name:9} {near(program.config_path)}, log in {near(program.log_path)}")


def near(place: Path) -> str:
    """Return a path as short as it can be written here."""
    here = Path.cwd()
    return str(place.relative_to(here) if place.is_relative_to(here) else place)


def ignore_signals() -> None:
    """From now on it stops, whatever comes."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def say(what: str) -> None:
    """Print a heading."""
    print(f"\n{what}", flush=True)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(main())
