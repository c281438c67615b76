"""A command has the same result as an ad-hoc command, over HTTP and on the command line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from support.builders import ALICE, BOB, ROMEO, entries, entry
from support.operator_commands import (
    CommandAnswer,
    FieldValues,
    Operated,
    by_form,
    by_http,
    by_line,
)
from support.wire import HOST, OTHER_HOST

from storage.rows import Contact, Hold

CAROL = f"carol@{OTHER_HOST}"
NOON = "2026-01-01T12:00:00.000000Z"
SIZE = str(len(entry(0).xml))

Give = Callable[[str, FieldValues], Awaitable[CommandAnswer]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A command, its arguments, and its result."""

    name: str
    arguments: dict[str, str | list[str]] = field(default_factory=dict)
    message: str
    values: dict[str, list[str]] = field(default_factory=dict)
    rows: list[dict[str, list[str]]] = field(default_factory=list)
    is_refused: bool = False


def usage(owner: str, count: int, newest: str = NOON) -> dict[str, list[str]]:
    return {
        "owner": [owner],
        "messages": [str(count)],
        "bytes": [str(count * int(SIZE))],
        "oldest": [NOON],
        "newest": [newest],
    }


def refusal(name: str, message: str, **arguments: str | list[str]) -> Case:
    return Case(name=name, arguments=arguments, message=message, is_refused=True)


LATER = "2026-01-01T12:00:02.000000Z"

ON_ARCHIVES = [
    Case(
        name="archives",
        message="2 archives.",
        rows=[usage(ALICE, 3, LATER), usage(CAROL, 1)],
    ),
    Case(
        name="archives",
        arguments={"max_items": "1"},
        message=f"1 archive, and more after {ALICE}.",
        values={"next": [ALICE]},
        rows=[usage(ALICE, 3, LATER)],
    ),
    Case(
        name="archives", arguments={"after": ALICE}, message="1 archive.", rows=[usage(CAROL, 1)]
    ),
    Case(name="archives", arguments={"host": HOST, "after": ALICE}, message="0 archives."),
    refusal("archives", "max_items: expected a whole number from 1 to 1000", max_items="1001"),
    refusal(
        "archives",
        "host: remote.example is not a virtual host of this archive",
        host="remote.example",
    ),
    Case(
        name="count",
        arguments={"owner": "ALICE@Example.Org"},
        message=f"The archive of {ALICE} has 3 messages.",
        values={**usage(ALICE, 3, LATER), "held": ["false"]},
    ),
    Case(
        name="count",
        arguments={"owner": CAROL},
        message=f"The archive of {CAROL} has 1 message.",
        values={**usage(CAROL, 1), "held": ["true"]},
    ),
    Case(
        name="count",
        arguments={"owner": BOB},
        message=f"The archive of {BOB} has 0 messages.",
        values={
            "owner": [BOB],
            "messages": ["0"],
            "bytes": ["0"],
            "oldest": [],
            "newest": [],
            "held": ["false"],
        },
    ),
    refusal("count", "owner: expected user@host", owner=HOST),
    *(
        refusal(
            name,
            f"remote.example is not served here. Served are {HOST}, {OTHER_HOST}.",
            owner=ROMEO,
        )
        for name in ("count", "erase", "purge")
    ),
    refusal("count", "owner: expected a bare JID, without a resource", owner=f"{ALICE}/x"),
    Case(
        name="erase",
        arguments={"owner": ALICE},
        message=f"The archive of {ALICE} is erased.",
        values={"messages": ["3"], "bytes": [str(3 * int(SIZE))]},
    ),
    refusal(
        "erase",
        "There is a legal hold on this archive: nothing of it may be deleted.",
        owner=CAROL,
    ),
]

ON_ACCOUNTS = [
    Case(
        name="add-user",
        arguments={"accountjid": f"NEW@{HOST}", "password": " s p\u00e4ce "},
        message=f"new@{HOST} has an account now.",
    ),
    refusal("add-user", "There is such an account already.", accountjid=ALICE, password="x"),
    refusal(
        "add-user",
        "accountjid: remote.example is not a virtual host of this archive",
        accountjid=ROMEO,
        password="x",
    ),
    Case(
        name="set-password",
        arguments={"accountjid": ALICE, "password": "x"},
        message=f"{ALICE} has a new password.",
    ),
    refusal("set-password", "There is no such account.", accountjid=BOB, password="x"),
    Case(
        name="disable-user",
        arguments={"accountjids": [ALICE, CAROL]},
        message=f"Disabled: {ALICE}, {CAROL}.",
    ),
    refusal(
        "disable-user",
        f"{BOB}: There is no such account. Done before: {ALICE}.",
        accountjids=[ALICE, BOB, CAROL],
    ),
    Case(
        name="enable-user",
        arguments={"accountjids": [f"dave@{HOST}"]},
        message=f"Enabled: dave@{HOST}.",
    ),
    Case(
        name="delete-user",
        arguments={"accountjids": [ALICE, ALICE]},
        message=f"Removed: {ALICE}.",
    ),
    Case(
        name="users",
        message="3 accounts.",
        values={"registereduserjids": [ALICE, f"dave@{HOST}", CAROL]},
    ),
    Case(
        name="users",
        arguments={"max_items": "2"},
        message=f"2 accounts, and more after dave@{HOST}.",
        values={"registereduserjids": [ALICE, f"dave@{HOST}"], "next": [f"dave@{HOST}"]},
    ),
    Case(
        name="users",
        arguments={"after": ALICE},
        message="2 accounts.",
        values={"registereduserjids": [f"dave@{HOST}", CAROL]},
    ),
    Case(
        name="users",
        arguments={"host": OTHER_HOST},
        message="1 account.",
        values={"registereduserjids": [CAROL]},
    ),
    refusal(
        "users",
        "after: expected user@host, with a host that is listed",
        after=ALICE,
        host=OTHER_HOST,
    ),
    Case(
        name="disabled-users",
        message="1 account.",
        values={"disableduserjids": [f"dave@{HOST}"]},
    ),
    Case(
        name="count-users",
        message="3 accounts.",
        values={"registeredusersnum": ["3"]},
        rows=[
            {"host": [HOST], "accounts": ["2"]},
            {"host": [OTHER_HOST], "accounts": ["1"]},
        ],
    ),
    Case(
        name="roster",
        arguments={"accountjids": [ALICE, CAROL]},
        message="1 contact.",
        values={"accountjids": [ALICE, CAROL]},
        rows=[
            {
                "accountjid": [ALICE],
                "jid": [BOB],
                "name": ["B\u00f6b <&>"],
                "subscription": ["to"],
                "asked": ["false"],
                "groups": ["Friends", "Work, and so on"],
            }
        ],
    ),
    refusal("roster", "there is no such user", accountjids=BOB),
]

ON_THE_SERVICE = [
    Case(
        name="statistics",
        message="2 archives with 4 messages.",
        values={
            "archives": ["2"],
            "messages": ["4"],
            "bytes": [str(4 * int(SIZE))],
            "hosts": [HOST, OTHER_HOST],
            "connected": ["true"],
            "writable": ["true"],
            "backlog": ["0"],
            "gaps": ["0"],
            "holds": ["1"],
            "purging": ["false"],
            "unconfirmed": ["false"],
        },
    ),
    Case(name="gaps", message="There are no gaps."),
    Case(
        name="fill-gap",
        arguments={"number": "7"},
        message="There is no gap with this number: muniment gaps lists them.",
        is_refused=True,
    ),
    Case(name="reconnect", message="The connection to ejabberd will be closed and opened again."),
]

ALICE_PARTS = {"user": "alice", "host": HOST}
NO_SESSIONS = (
    "Users have no sessions, through which this would go: set tokens.key_file and "
    "sessions.enabled."
)
NOT_ASKED = "ejabberd cannot be asked: accounts.api_url is not set."

ON_THE_EJABBERD_API = [
    Case(
        name="mam-retrieve",
        arguments={**ALICE_PARTS, "with": CAROL, "view": "folded"},
        message="0 messages.",
        values={"count": ["0"], "next": [], "complete": ["true"]},
    ),
    refusal("mam-retrieve", "view: expected one of raw, folded", **ALICE_PARTS, view="other"),
    refusal("mam-retrieve", "limit: expected a whole number from 1 on", **ALICE_PARTS, limit="0"),
    refusal("mam-retrieve", "user and host: expected a name and a domain", user="a/b", host=HOST),
    Case(
        name="get-mam-preferences",
        arguments=ALICE_PARTS,
        message="Return the archiving preferences of a user.",
        values={"default": ["always"], "always": [], "never": []},
    ),
    Case(
        name="set-mam-preferences",
        arguments={**ALICE_PARTS, "default": "never", "always": [BOB, CAROL]},
        message="Set the archiving preferences of a user.",
        values={"default": ["never"], "always": [BOB, CAROL], "never": []},
    ),
    refusal(
        "set-mam-preferences",
        "default: expected one of always, never, roster",
        **ALICE_PARTS,
        default="sometimes",
    ),
    Case(name="mam-remove-archive", arguments=ALICE_PARTS, message="Done."),
    Case(name="mam-remove-archive", arguments={**ALICE_PARTS, "with": BOB}, message="Done."),
    refusal("mam-remove-archive", "with: '@' is not an address", **ALICE_PARTS, **{"with": "@"}),
    refusal("send-chat-state", NO_SESSIONS, **{"from": ALICE, "to": BOB, "state": "active"}),
    refusal(
        "send-chat-state",
        "state: expected one of active, composing, paused, inactive, gone",
        **{"from": ALICE, "to": BOB, "state": "bored"},
    ),
    refusal(
        "subscribe-roster",
        NO_SESSIONS,
        localuser="alice",
        localhost=HOST,
        user="bob",
        host=HOST,
    ),
    refusal(
        "join-room", NOT_ASKED, **ALICE_PARTS, room="r", service=f"rooms.{HOST}", nick="alice"
    ),
    refusal("leave-room", NOT_ASKED, **ALICE_PARTS, room="r", service=f"rooms.{HOST}"),
]


@pytest.fixture(params=["form", "http", "line"])
def give(
    request: pytest.FixtureRequest,
    operated: Operated,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Give:
    """Runs a command in one of the three ways."""
    ways: dict[str, Give] = {
        "form": lambda name, arguments: by_form(operated, name, arguments),
        "http": lambda name, arguments: by_http(operated, name, arguments),
        "line": lambda name, arguments: by_line(operated, name, arguments, capsys, monkeypatch),
    }
    return ways[request.param]


@pytest.fixture(autouse=True)
async def _furnished(operated: Operated) -> None:
    """Create accounts of alice, carol and dave (disabled), archives, a roster and a hold."""
    storage, services = operated.wire.storage, operated.services
    await storage.archive.append([*entries(3), entry(owner=CAROL)])
    for jid in (ALICE, CAROL, f"dave@{HOST}"):
        await services.accounts.admin.register(jid, "a password")
    await services.accounts.admin.set_enabled(f"dave@{HOST}", False)
    contact = Contact(
        jid=BOB, name="B\u00f6b <&>", subscription="to", groups=("Friends", "Work, and so on")
    )
    await storage.contacts.put(ALICE, contact)
    await services.administration.holds.set(Hold(subject=OTHER_HOST, reason="r", by="me", at=1))


@pytest.mark.parametrize(
    "case",
    [*ON_ARCHIVES, *ON_ACCOUNTS, *ON_THE_SERVICE, *ON_THE_EJABBERD_API],
    ids=lambda case: case.name,
)
async def test_command_has_the_same_result_over_xmpp_http_and_shell(
    give: Give, case: Case
) -> None:
    answer = await give(case.name, case.arguments)

    assert answer == CommandAnswer(case.message, case.values, case.rows, case.is_refused)
