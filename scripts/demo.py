#!/usr/bin/env python3
"""Show Muniment at work: a private ejabberd, two users who talk by XMPP clients and by curl.

All files are in .run, or in the folder given as the argument, so a second run starts in seconds
and shows the messages of the first run. The demo uses the installed ejabberd; if there is none,
scripts/ejabberd unpacks the newest tested release.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import secrets
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from slixmpp import JID, ClientXMPP, Message  # noqa: E402
from support.account_api import with_account_api  # noqa: E402
from support.ejabberd import Account, Ejabberd, Ports  # noqa: E402
from support.muniment import Muniment  # noqa: E402
from support.ports import LOOPBACK, free_port  # noqa: E402
from support.program import Failed  # noqa: E402
from support.releases import Release, Unavailable, installed_or_newest, unpacked  # noqa: E402
from support.slixmpp_client import slixmpp_client  # noqa: E402
from support.uploads import with_uploads  # noqa: E402

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
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

CONVERSATION = (
    ("alice", "Hi Bob, do you still have the plans of the town hall?"),
    ("bob", "Somewhere in the muniment room, I should think."),
    ("alice", "That is what I was afraid of."),
    ("bob", "Nothing gets lost there. It is only never found."),
    ("alice", "Then it is time for an archive that can be asked. 🗝"),
)

#: A header of curl, as a shell reads it.
JSON = "'Content-Type: application/json'"

#: The prefixes of the APIs of other chat systems, by their sections of the configuration.
CHAT_APIS = {"condor_chat": "/condor/api/v1", "bpo_chat": "/bpo/api/v1"}

#: What alice sends over HTTP, and how long a step over HTTP may take.
OVER_HTTP = "I have asked it, by curl, and here they are."
HTTP_SECONDS = 30


class AlreadyRunning(Exception):
    """The demo is already running in another terminal."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def main() -> int:
    """Run until Ctrl-C, SIGTERM or the end of the terminal, and return an exit code."""
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
    """Start ejabberd and Muniment, show them, and keep them running until `stack` stops them."""
    RUN.mkdir(mode=0o700, exist_ok=True)
    claim(stack)
    alice, bob = (Account(name, HOSTS[0], secret(f"{name}-password")) for name in ("alice", "bob"))
    ports = Ports.free(c2s=5222, component=5275, http=5280)
    public_port = free_port(5282)
    public_url, ejabberd_url = (f"http://{LOOPBACK}:{port}" for port in (public_port, ports.http))
    say(f"Starting ejabberd {release.version}, configured by ejabberd.yml.example")
    ejabberd = stack.enter_context(
        Ejabberd(
            RUN / "ejabberd",
            release,
            hosts=HOSTS,
            component=COMPONENT,
            ports=ports,
            secret=secret("xmpp-secret"),
            # The operators' page of accounts manages those of ejabberd.
            changes=with_account_api()
            | with_uploads(
                RUN / "upload",
                {
                    "https://@HOST@/upload": f"{ejabberd_url}/upload/@HOST@",
                    "https://chat.example": public_url,
                },
            ),
        )
    )
    ejabberd.register(alice, bob)
    say("Starting Muniment: muniment serve")
    options = {section: {"secret": f"file:{section}-secret"} for section in ("xmpp", "http")} | {
        # Users sign in over HTTP with the passwords that ejabberd checks.
        "tokens": {"key_file": "token-key.json"},
        "accounts": {"api_url": f"{ejabberd_url}/api"},
        "sessions": {"port": ejabberd.ports.c2s},
        "public_http": {"enabled": True, "port": public_port},
        "operators.demo": {"role": "admin", "secret": "file:operator-secret"},
        # Rooms of the chat page.
        "archive": {"room_services": [f"conference.{HOSTS[0]}"]},
        "pages": {"upload_origins": [ejabberd_url]},
        **{name: {"enabled": True, "prefix": prefix} for name, prefix in CHAT_APIS.items()},
    }
    secret("operator-secret")
    muniment = stack.enter_context(
        Muniment(RUN, ejabberd, http_port=5281, secret=secret("http-secret"), options=options)
    )
    api = f"{public_url}/api/v1"
    asyncio.run(talk(ejabberd, User(alice, api), User(bob, api)))
    command = curl(muniment, alice)
    say("The server reads her archive over HTTP")
    asyncio.run(show(command))
    show_addresses(ejabberd, muniment, (alice, bob), command, f"{public_url}/")
    # One Ctrl-C is enough, and a second one must not interrupt the orderly stop.
    stack.callback(ignore_signals)
    while True:
        time.sleep(1)
        for program in (ejabberd, muniment):
            if not program.is_running:
                raise program.failed("has ended")


def claim(stack: ExitStack) -> None:
    """Lock the folder, because two ejabberds on one database would destroy it."""
    lock = stack.enter_context((RUN / "lock").open("w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyRunning from None


def secret(name: str) -> str:
    """Return a random secret, which stays the same in every run."""
    path = RUN / name
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(16) + "\n")
    return path.read_text().strip()


async def talk(ejabberd: Ejabberd, alice: User, bob: User) -> None:
    """Let two users exchange messages, by XMPP clients and over HTTP, and read their archives."""
    port = ejabberd.ports.c2s
    async with (
        slixmpp_client(alice.account, port) as alice_client,
        slixmpp_client(bob.account, port) as bob_client,
    ):
        say("alice and bob talk, through ejabberd, with slixmpp")
        await converse({"alice": alice_client, "bob": bob_client})
        say(f"alice asks ejabberd for her archive (XEP-0313): the last {SHOWN} messages")
        await show_archive(alice_client)
        await send_over_http(alice, bob, bob_client)


async def converse(clients: dict[str, ClientXMPP]) -> None:
    """Send each message once the previous one has arrived."""
    received: asyncio.Queue[Message] = asyncio.Queue()
    for client in clients.values():
        client.add_event_handler("message", received.put_nowait)
    for speaker, text in CONVERSATION:
        (listener,) = clients.keys() - {speaker}
        to = JID(clients[listener].boundjid.bare)
        clients[speaker].send_message(to, text, mtype="chat")
        message = await asyncio.wait_for(received.get(), timeout=10)
        print(f"  {speaker:>5}: {message['body']}")


async def send_over_http(alice: User, bob: User, bob_client: ClientXMPP) -> None:
    """Sign both users in by curl, send a message, and show everywhere that it has arrived."""
    say("alice and bob sign in over HTTP, each with the password of the XMPP account")
    for user in (alice, bob):
        user.token_file.touch(mode=0o600)
        await show(user.sign_in(), prints_answer=False)
    place = decoded(await run(bob.get("snapshot?limit=1")))["cursor"]
    received: asyncio.Queue[Message] = asyncio.Queue()
    bob_client.add_event_handler("message", received.put_nowait)
    say("bob waits for his next event (a long poll)")
    poll = bob.get(f"events?after={place}&wait={HTTP_SECONDS}&xml=false")
    print(f"  $ {poll}")
    polling = asyncio.create_task(run(poll))
    say("alice sends to bob over HTTP")
    decoded(await show(alice.send(bob.account.jid, OVER_HTTP)))
    say("bob's XMPP client gets it")
    async with asyncio.timeout(HTTP_SECONDS):
        message = await received.get()
    print(f"  {message['from'].user:>5}: {message['body']}")
    say("bob's long poll gets it")
    [event, *_] = decoded(await polling)["events"]
    print(f"  event {event['event_id']}: {json.dumps(event['message'], ensure_ascii=False)}")
    say("Both archives have it")
    for user in (alice, bob):
        answer = await show(user.get("messages?order=desc&limit=1&xml=false"))
        if [item["body"] for item in decoded(answer)["messages"]] != [OVER_HTTP]:
            raise Failed(f"the archive of {user.account.jid} does not have it: {answer}")


async def show_archive(client: ClientXMPP) -> None:
    """Print time, sender, text and archive id of the newest messages of an archive."""
    newest = client.plugin["xep_0313"].iterate(reverse=True, rsm={"max": SHOWN}, total=SHOWN)
    results = [message["mam_result"] async for message in newest]
    if not results:
        raise Failed(
            f"the archive of {client.boundjid.bare} is empty, though messages were sent: "
            f"{short(RUN / 'muniment.log')} says what ejabberd does not grant, and docs/doctor.md "
            "what to change"
        )
    for result in reversed(results):
        message = result["forwarded"]["stanza"]
        time_received = result["forwarded"]["delay"]["stamp"].astimezone()
        print(f"  {time_received:%Y-%m-%d %H:%M:%S}  {message['from'].user:>5}: {message['body']}")
        print(f"  {'':19}         id {result['id']}")


@dataclass(frozen=True)
class User:
    """The commands by which a user calls Muniment. No secret is in them, or in the output."""

    account: Account
    api: str

    def sign_in(self) -> str:
        """Return the command that signs in, and keeps the access token in a file."""
        password = quote(short(RUN / f"{self.account.user}-password"))
        body = f'{{"jid": "{self.account.jid}", "password": "%s"}}'
        access = r's/.*"access_token":"\([^"]*\)".*/Authorization: Bearer \1/p'
        return (
            f"printf '{body}' \"$(cat {password})\" |\n"
            f"    curl -s -H {JSON} -d @- {self.api}/tokens |\n"
            f"    sed -n '{access}' > {self._token}"
        )

    def get(self, path: str) -> str:
        """Return the command that gets a path below the user's own archive."""
        return f"curl -s -H @{self._token} '{self._archive}/{path}'"

    def send(self, to: str, text: str) -> str:
        """Return the command that sends a message."""
        body = json.dumps({"to": to, "body": text})
        return (
            f"curl -s -H @{self._token} -H {JSON} \\\n"
            f"    -d {quote(body)} {self._archive}/messages"
        )

    @property
    def _archive(self) -> str:
        return f"{self.api}/archives/{self.account.jid}"

    @property
    def token_file(self) -> Path:
        """The file with the header that shows the access token."""
        return RUN / f"{self.account.user}-token"

    @property
    def _token(self) -> str:
        return quote(short(self.token_file))


def curl(muniment: Muniment, account: Account) -> str:
    """Return a command that reads the newest messages over HTTP, with the secret from its file."""
    header = f'"X-Api-Key: $(cat {quote(short(RUN / "http-secret"))})"'
    query = f"username={account.user}&before=last&limit=2"
    return f"curl -s -H {header} '{muniment.url}/api/archive?{query}'"


async def show(command: str, *, prints_answer: bool = True) -> str:
    """Print a command, run it in a shell, print its answer and return it."""
    print("  $ " + command.replace("\n", "\n  "))
    answer = await run(command)
    if prints_answer:
        print(f"  {answer}")
    return answer


def decoded(answer: str) -> dict[str, Any]:
    """Return an answer of Muniment. Raises Failed if it is an error."""
    fields: dict[str, Any] = json.loads(answer or "{}")
    if "error" in fields or not fields:
        raise Failed(f"Muniment answers: {answer or 'nothing'}")
    return fields


async def run(command: str) -> str:
    """Run a command in a shell, and return its answer. Raises Failed."""
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    answer, errors = await process.communicate()
    if process.returncode != 0:
        text = errors.decode() or "no answer"
        raise Failed(f"a command ended with {process.returncode}: {text}\n{command}")
    return answer.decode()


def show_addresses(
    ejabberd: Ejabberd,
    muniment: Muniment,
    accounts: tuple[Account, ...],
    command: str,
    page: str,
) -> None:
    """Print addresses, accounts and files."""
    say("The demo keeps running. Ctrl-C stops it; the archive stays.")
    print(f"  XMPP      127.0.0.1:{ejabberd.ports.c2s} without TLS, ", end="")
    print(f"ws://127.0.0.1:{ejabberd.ports.http}/ws in browsers")
    for account in accounts:
        print(f"            {account.jid}, password in {short(RUN / f'{account.user}-password')}")
    print(f"  chat      {page} in a browser, for each of these accounts")
    print(f"  operators {muniment.url}/operators in a browser,", end=" ")
    print(f"secret in {short(RUN / 'operator-secret')}")
    condor, bpo = (page.rstrip("/") + prefix for prefix in CHAT_APIS.values())
    password = quote(short(RUN / f"{accounts[0].user}-password"))
    form = f'"username={accounts[0].user}&password=$(cat {password})"'
    print(f"  condor    {condor}/, sign-in: curl -s -d {form} {condor}/access_token/")
    print(f"  bpo       {bpo}/, without a sign-in: curl -s {bpo}/users/hello/")
    print(f"  HTTP      {command}")
    print(f"  archive   {short(RUN / 'muniment.db')}")
    for program in (ejabberd, muniment):
        print(f"  {program.name:9} {short(program.config_path)}, log in {short(program.log_path)}")


def short(path: Path) -> str:
    """Return a path relative to the working directory if it is below it."""
    folder = Path.cwd()
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def ignore_signals() -> None:
    """Ignore further signals to stop."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def say(text: str) -> None:
    """Print a heading."""
    print(f"\n{text}", flush=True)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.exit(main())
