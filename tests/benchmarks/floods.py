"""The floods of one account: what it sends again and again, over XMPP and over HTTP.

Each is as dear as its limits let it be: names of old messages, words that most messages have, the
largest page, the largest stanza.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count, cycle

from benchmarks import mam
from benchmarks.loading.dialogue import PEERS, line
from benchmarks.raw_http import request
from benchmarks.servers.ejabberd import COMPONENT, HOST
from benchmarks.traffic import BODY
from benchmarks.xmpp import PASSWORD, Session

#: The account that floods, and the one to which it writes, which is on line.
FLOODER, PEER = "flooder", "peer0"

#: The number of messages in the archive of the flooder.
SIZE = 100_000

#: The connections of the flooder: the sessions of a user in `ejabberd.yml.example`, and as many as
#: Muniment lets one address have.
SESSIONS, CONNECTIONS = 10, 250

#: Stanzas without an answer go in batches, each with a ping behind it.
BATCH = 20

#: Requests under way on each session: more of them wait at Muniment than it lets one account have.
QUERIES_UNDER_WAY, BATCHES_UNDER_WAY = 8, 2

#: The flooder's address, as a proxy would name it.
ADDRESS = "192.0.2.66"

PAGE_MAX = 250

#: Beginnings of words that more than half of all messages have.
BEGINNINGS = "qui* bro* fox* jum* ove* laz* wiz* zeb* nob* min*"

#: Near the largest stanza of a client, and near the greatest depth that Muniment reads.
LARGE_BYTES, DEPTH = 200_000, 450

_PING = f"<iq type='get' id='ping' to='{HOST}'><ping xmlns='urn:xmpp:ping'/></iq>"
_STORE = "<store xmlns='urn:xmpp:hints'/>"


def _message(payload: str) -> str:
    return f"<message to='{PEER}@{HOST}' type='chat' id='f'>{payload}</message>"


def _batches(stanzas: Iterator[str], size: int = BATCH) -> Iterator[bytes]:
    while True:
        yield "".join([*(next(stanzas) for _ in range(size)), _PING]).encode()


def _iqs(type: str, payload: str, to: str = "") -> Iterator[bytes]:
    address = f" to='{to}'" if to else ""
    return cycle([f"<iq type='{type}' id='f'{address}>{payload}</iq>".encode()])


def _presences() -> Iterator[str]:
    return (f"<presence><status>{number}</status></presence>" for number in count())


def _old_ids() -> Iterator[str]:
    """Yield the ids of all messages that the flooder has sent to its peer, again and again."""
    return cycle(
        [
            message.id
            for message in (line(number, SIZE) for number in range(0, SIZE, PEERS))
            if message.is_sent
        ]
    )


def _markers() -> Iterator[str]:
    for id in _old_ids():
        yield _message(f"<displayed xmlns='urn:xmpp:chat-markers:0' id='{id}'/>{_STORE}")


def _retractions() -> Iterator[str]:
    for id in _old_ids():
        yield _message(f"<retract xmlns='urn:xmpp:message-retract:1' id='{id}'/>{_STORE}")


def _large() -> Iterator[str]:
    text = (BODY + " ") * (LARGE_BYTES // (len(BODY) + 1))
    return cycle([_message(f"<body>{text}</body>")])


def _deep() -> Iterator[str]:
    tower = "<a>" * DEPTH + "</a>" * DEPTH
    towers = tower * (LARGE_BYTES // len(tower))
    return cycle([_message(f"<body>deep</body><x xmlns='urn:example:deep'>{towers}</x>")])


def _rules() -> Iterator[bytes]:
    payload = "<prefs xmlns='urn:xmpp:mam:2' default='{}'><always/><never/></prefs>"
    words = cycle(["always", "roster"])
    return (f"<iq type='set' id='f'>{payload.format(next(words))}</iq>".encode() for _ in count())


#: The names of the floods over XMPP, in groups by what the servers have to do.
SEARCHES, PAGES, QUERIES, SETTINGS = "searches", "largest pages", "queries", "preferences"
PRESENCES, MARKERS, RETRACTIONS = "presences", "markers", "retractions"
MESSAGES, LARGE, DEEP, ROSTERS = "messages", "large messages", "deep messages", "rosters"
COMMANDS = "commands"

#: Those that Muniment does not answer: beside the constant page they show what ejabberd alone
#: makes of them.
WITHOUT_MUNIMENT = (PRESENCES, MARKERS, RETRACTIONS, MESSAGES, LARGE, DEEP, ROSTERS)

XMPP = (*WITHOUT_MUNIMENT, QUERIES, SEARCHES, PAGES, SETTINGS, COMMANDS)


def stanzas(flood: str, session: Session) -> tuple[Iterator[bytes], int]:
    """Return pieces that have one IQ each, and how many of them are under way."""
    queries = {
        SEARCHES: lambda: cycle([mam.query(session, before="", search=BEGINNINGS)]),
        PAGES: lambda: cycle([mam.query(session, before="", max=PAGE_MAX)]),
        QUERIES: lambda: cycle([mam.query(session, before="", max=1)]),
        SETTINGS: _rules,
        COMMANDS: lambda: _iqs(
            "set", "<command xmlns='http://jabber.org/protocol/commands' node='x'/>", COMPONENT
        ),
        ROSTERS: lambda: _iqs("get", "<query xmlns='jabber:iq:roster'/>"),
    }
    if flood in queries:
        return queries[flood](), QUERIES_UNDER_WAY
    batches = {
        PRESENCES: lambda: _batches(_presences()),
        MARKERS: lambda: _batches(_markers()),
        RETRACTIONS: lambda: _batches(_retractions()),
        MESSAGES: lambda: _batches(cycle([_message(f"<body>{BODY}</body>")])),
        LARGE: lambda: _batches(_large(), 1),
        DEEP: lambda: _batches(_deep(), 1),
    }
    return batches[flood](), BATCHES_UNDER_WAY


HTTP_SEARCHES, HTTP_CHAT_SEARCHES = "HTTP searches", "HTTP chat searches"
HTTP_PAGES, HTTP_FOLDED, HTTP_QUERIES = "HTTP largest pages", "HTTP folded pages", "HTTP pages"
HTTP_CONVERSATIONS, HTTP_SENDING = "HTTP conversations", "HTTP messages"
HTTP_LARGE, HTTP_STREAMS = "HTTP large messages", "HTTP streams"
HTTP_PASSWORDS = "HTTP wrong passwords"

HTTP = (
    *(HTTP_SEARCHES, HTTP_CHAT_SEARCHES, HTTP_PAGES, HTTP_FOLDED, HTTP_QUERIES),
    *(HTTP_CONVERSATIONS, HTTP_SENDING, HTTP_LARGE, HTTP_STREAMS, HTTP_PASSWORDS),
)


def requests(flood: str, token: str) -> Iterator[bytes]:
    """Return the requests of a flood over HTTP."""
    own = f"/api/v1/archives/{FLOODER}@{HOST}"
    messages = f"{own}/messages?order=desc"
    beginnings = BEGINNINGS.replace(" ", "%20")
    reads = {
        HTTP_SEARCHES: f"{messages}&limit={PAGE_MAX}&count=true&search={beginnings}",
        HTTP_CHAT_SEARCHES: f"/api/v1/chat/messages?limit=50&search={beginnings}",
        HTTP_PAGES: f"{messages}&limit={PAGE_MAX}",
        HTTP_FOLDED: f"{messages}&limit={PAGE_MAX}&view=folded",
        HTTP_QUERIES: f"{messages}&limit=1",
        HTTP_CONVERSATIONS: "/api/v1/chat/conversations?limit=100",
        HTTP_STREAMS: f"{own}/stream",
    }
    if flood in reads:
        return cycle([request("GET", reads[flood], address=ADDRESS, token=token)])
    if flood == HTTP_PASSWORDS:
        return _guesses()
    text = BODY * (100 if flood == HTTP_LARGE else 1)
    body = json.dumps({"to": f"{PEER}@{HOST}", "body": text}).encode()
    return cycle([request("POST", f"{own}/messages", address=ADDRESS, token=token, body=body)])


def _guesses() -> Iterator[bytes]:
    """Yield sign-ins with ever new wrong passwords."""
    for number in count():
        fields = {"jid": f"{FLOODER}@{HOST}", "password": f"{PASSWORD}{number}"}
        body = json.dumps(fields).encode()
        yield request("POST", "/api/v1/tokens", address=ADDRESS, body=body)
