"""Archives that real servers have written are imported, and their readers go on in Muniment."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest
from support import mam
from support.builders import everything
from support.command import run_command
from support.ejabberd import Account, Ejabberd
from support.history import TEXTS, History, make_history
from support.mariadb import PASSWORD, USER, MariaDb
from support.mod_mam import BesideMuniment, WithSqlArchive
from support.muniment import DATABASE, Muniment, Options
from support.pool import lent_ejabberd
from support.ports import LOOPBACK
from support.postgres import Postgres
from support.program import Failed
from support.prosody import Prosody
from support.raw import Client
from support.releases import Release
from support.remote_data import session

from component.core.backfill.source import Span
from component.core.hosts import Hosts
from component.core.remote_data.posts import body_of
from component.core.xml.times import parse_time
from component.importing.databases import open_database
from component.importing.ejabberd import EjabberdSource
from component.importing.ejabberd_backfill import EjabberdBackfill
from storage.open import open_storage
from storage.rows import ArchivedMessage


@dataclass(frozen=True)
class Old:
    """A server with an archive of its own."""

    ejabberd: WithSqlArchive
    history: History


@pytest.fixture(scope="module", params=["single", "multi"])
def old(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, release: Release
) -> Iterator[Old]:
    """An ejabberd with mod_mam in SQLite; that with the schema of several hosts compresses."""
    is_multihost = request.param == "multi"
    ejabberd = WithSqlArchive(
        tmp_path_factory.mktemp("old"), release, is_multihost=is_multihost, compresses=is_multihost
    )
    with ejabberd:
        yield Old(ejabberd, asyncio.run(make_history(ejabberd)))


@pytest.fixture(scope="module", params=["internal", "sql"])
def prosody(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    missing: Callable[[object], NoReturn],
) -> Iterator[tuple[Prosody, History]]:
    """A Prosody with archives in files, or in SQLite."""
    server = Prosody(tmp_path_factory.mktemp("prosody"), in_sql=request.param == "sql")
    try:
        server.start()
    except Failed as error:
        missing(error)
    try:
        yield server, asyncio.run(make_history(server))
    finally:
        server.stop()


#: Where Debian keeps the Erlang libraries of the system.
ERLANG = Path("/usr/lib/erlang/lib")

#: Muniment serves the rooms of the old server too.
ROOMS: Options = {"archive": {"room_services": ["conference.one.test"]}}


def run(muniment: Muniment, *arguments: object, code: int = 0) -> str:
    """Run a command with the configuration of Muniment, and return its output."""
    muniment.write_config()
    process = run_command(*map(str, arguments), "--config", str(muniment.config_path))
    assert process.returncode == code, process.stdout + process.stderr
    return process.stdout + process.stderr


def imported(muniment: Muniment, *arguments: object, code: int = 0) -> Any:
    """Import, and return the report."""
    return json.loads(run(muniment, "import", *arguments, "--json", code=code).splitlines()[0])


def new(folder: Path, ejabberd: Ejabberd) -> Muniment:
    """Return a Muniment that does not run."""
    rooms = [f"conference.{host}" for host in ejabberd.hosts]
    return Muniment(folder / "muniment", ejabberd, options={"archive": {"room_services": rooms}})


def bodies(results: tuple[mam.ArchiveResult, ...] | list[mam.ArchiveResult]) -> list[str | None]:
    return [result.body for result in results]


async def test_archive_of_ejabberd_is_imported_and_its_readers_go_on(
    old: Old, tmp_path: Path, release: Release
) -> None:
    history = old.history
    with lent_ejabberd(tmp_path / "ejabberd", release) as ejabberd:
        muniment = new(tmp_path, ejabberd)
        url = f"sqlite:{old.ejabberd.database}"
        report = imported(muniment, "ejabberd", url, "--host", ejabberd.hosts[0])
        again = imported(muniment, "ejabberd", url, "--host", ejabberd.hosts[0])
        ejabberd.register(history.alice, history.bob)
        with muniment:
            async with Client(history.alice, ejabberd.ports.c2s) as alice:
                results = await mam.everything(alice)
                middle = history.results[2].id
                rest = await mam.query(alice, after=middle)
                before = await mam.query(alice, before=middle, max=10)
                preferences = await alice.ask("get", "<prefs xmlns='urn:xmpp:mam:2'/>")
            path = f"/api/v1/archives/{history.alice.jid}/messages"
            async with (
                session(muniment) as http,
                http.get(path, params={"after": middle}) as response,
            ):
                over_http = [message["body"] for message in (await response.json())["messages"]]
            exported = run(muniment, "export", history.room)

    assert report["owners"][history.alice.jid]["added"] == len(TEXTS)
    assert report["owners"][history.room]["added"] == 2
    assert report["preferences"] == 1
    assert {numbers["added"] for numbers in again["owners"].values()} == {0}
    assert {numbers["missing"] for numbers in again["owners"].values()} == {0}
    assert bodies(results) == bodies(history.results) == list(TEXTS)
    assert [parse_time(r.stamp) for r in results] == [parse_time(r.stamp) for r in history.results]
    assert [(r.sender, r.to, r.message_id) for r in results] == [
        (r.sender, r.to, r.message_id) for r in history.results
    ]
    assert rest.bodies == over_http == list(TEXTS[3:])
    assert before.bodies == list(TEXTS[:2])
    prefs = preferences.find("{urn:xmpp:mam:2}prefs")
    assert prefs is not None
    assert prefs.get("default") == "roster"
    assert [jid.text for jid in prefs.iter("{urn:xmpp:mam:2}jid")] == [
        "carol@one.test",
        "mallory@two.test",
    ]
    lines = [json.loads(line) for line in exported.splitlines() if line.startswith("{")]
    assert [line["from"] for line in lines] == [f"{history.room}/alice", f"{history.room}/bob"]
    assert [line["id"] for line in lines] == [result.id for result in history.room_results]
    assert not any("alice@one.test" in line["xml"] for line in lines)


async def messages_of(muniment: Muniment, owner: str) -> list[ArchivedMessage]:
    """Return the whole archive in a store that is not open."""
    async with open_storage(f"sqlite:{muniment.folder}/{DATABASE}") as storage:
        return list((await everything(storage.archive, owner)).messages)


async def test_archive_of_prosody_is_imported(
    prosody: tuple[Prosody, History], tmp_path: Path
) -> None:
    server, history = prosody
    muniment = Muniment(tmp_path / "muniment", server, options=ROOMS)
    place = f"sqlite:{server.database}" if server.database.exists() else server.data

    report = imported(muniment, "prosody", place)
    again = imported(muniment, "prosody", place)

    assert report["owners"][history.alice.jid]["added"] == len(TEXTS)
    assert report["owners"][history.room]["added"] == 2
    assert sum(numbers["added"] for numbers in again["owners"].values()) == 0
    messages = await messages_of(muniment, history.alice.jid)
    assert [body_of(message.xml) for message in messages] == bodies(history.results)
    assert [message.at // 1_000_000 for message in messages] == [
        parse_time(result.stamp) // 1_000_000 for result in history.results
    ]
    rooms = await messages_of(muniment, history.room)
    assert [message.id for message in rooms] == [result.id for result in history.room_results]
    if server.database.exists():
        assert report["preferences"] == 0
    else:
        assert report["preferences"] == 1


async def test_archive_of_prosody_is_imported_by_mam_and_from_its_export(
    prosody: tuple[Prosody, History], tmp_path: Path
) -> None:
    server, history = prosody
    users = tmp_path / "users"
    users.write_text(f"{history.alice.jid} {history.alice.password} {history.room}\n")
    by_mam = Muniment(tmp_path / "by-mam", server, options=ROOMS)

    report = imported(by_mam, "mam", users, "--port", server.ports.c2s)

    added = {owner: numbers["added"] for owner, numbers in report["owners"].items()}
    assert added == {history.alice.jid: len(TEXTS), history.room: 2}
    messages = await messages_of(by_mam, history.alice.jid)
    assert [body_of(message.xml) for message in messages] == list(TEXTS)
    if server.database.exists():
        return  # The migrator of Prosody is tried with its files.
    by_file = Muniment(tmp_path / "by-file", server, options=ROOMS)
    for file in server.export(tmp_path / "export"):
        imported(by_file, "xep-0227", file)
    for account in (history.alice, history.bob):
        messages = await messages_of(by_file, account.jid)
        assert [body_of(message.xml) for message in messages] == list(TEXTS)


async def read_for_gap(url: str, owner: str | None = None) -> Counter[str]:
    """Return by owner how many messages the source of backfill has, of all times."""
    source = EjabberdBackfill(url, None, Hosts(["one.test"], ["conference.one.test"]))
    span = Span(0, 2**60)
    return Counter(
        [record.owner async for page in source.pages(span, owner=owner) for record in page.records]
    )


async def test_archives_are_read_for_a_gap(old: Old) -> None:
    history, url = old.history, f"sqlite:{old.ejabberd.database}"
    expected = {history.alice.jid: len(TEXTS), history.bob.jid: len(TEXTS), history.room: 2}

    assert await read_for_gap(url) == expected
    for owner, count in expected.items():
        assert await read_for_gap(url, owner) == {owner: count}


async def test_archives_are_imported_by_mam(old: Old, tmp_path: Path) -> None:
    history, users = old.history, tmp_path / "users"
    users.write_text(
        "# the users of the old server\n"
        f"{history.alice.jid} {history.alice.password} {history.room}\n"
        f"{history.bob.jid} {history.bob.password}\n"
    )
    muniment = new(tmp_path, old.ejabberd)
    port = ("--port", old.ejabberd.ports.c2s)

    dry = imported(muniment, "mam", users, *port, "--dry-run")
    report = imported(muniment, "mam", users, *port)
    by_sql = imported(
        muniment, "ejabberd", f"sqlite:{old.ejabberd.database}", "--host", "one.test"
    )

    assert dry["owners"] == {
        owner: {**numbers, "missing": 0} for owner, numbers in report["owners"].items()
    }
    assert {owner: numbers["added"] for owner, numbers in report["owners"].items()} == {
        history.alice.jid: len(TEXTS),
        history.bob.jid: len(TEXTS),
        history.room: 2,
    }
    assert report["preferences"] == 2
    # What MAM has brought is not imported again from the table.
    assert {numbers["added"] for numbers in by_sql["owners"].values()} == {0}
    messages = await messages_of(muniment, history.alice.jid)
    assert [body_of(message.xml) for message in messages] == list(TEXTS)


def test_wrong_password_is_refused_without_being_shown(old: Old, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text(f"{old.history.alice.jid} wrong-secret\n")
    muniment = new(tmp_path, old.ejabberd)

    output = run(muniment, "import", "mam", users, "--port", old.ejabberd.ports.c2s, code=1)

    assert output == f"muniment: {old.history.alice.jid}: the server refuses the password\n"


def test_archive_of_ejabberd_in_postgresql_is_imported(
    tmp_path: Path,
    release: Release,
    postgres: Postgres,
    missing: Callable[[object], NoReturn],
) -> None:
    root = Path(release.erl).parent
    drivers = [*root.glob("usr/lib/**/p1_pgsql-*/ebin"), *ERLANG.glob("p1_pgsql-*/ebin")]
    if not drivers:
        missing("erlang-p1-pgsql is not installed")
    name = f"ejabberd_{release.version.replace('.', '_')}"
    url = postgres.create(name)
    schema = root / "usr/share/ejabberd/sql/pg.sql"
    postgres.sql(schema.read_bytes(), database=name)
    sql = {
        "sql_type": "pgsql",
        "sql_server": "127.0.0.1",
        "sql_port": postgres.port,
        "sql_database": name,
        "sql_username": "muniment",
        "sql_password": '""',
    }
    ejabberd = WithSqlArchive(tmp_path / "old", release, is_multihost=False, sql=sql)
    ejabberd.libraries = (str(drivers[0]),)
    with ejabberd:
        history = asyncio.run(make_history(ejabberd))
        muniment = new(tmp_path, ejabberd)

        report = imported(muniment, "ejabberd", url, "--host", "one.test")
        compared = run(muniment, "compare", "ejabberd", url, "--host", "one.test")
        read = asyncio.run(read_for_gap(url))

    assert read == {history.alice.jid: len(TEXTS), history.bob.jid: len(TEXTS), history.room: 2}
    assert {owner: numbers["added"] for owner, numbers in report["owners"].items()} == {
        history.alice.jid: len(TEXTS),
        history.bob.jid: len(TEXTS),
        history.room: 2,
    }
    assert "3 archives compared, 0 with differences." in compared


@pytest.fixture
def mariadb(tmp_path: Path, missing: Callable[[object], NoReturn]) -> Iterator[MariaDb]:
    server = MariaDb(tmp_path)
    try:
        server.start()
    except Failed as error:
        missing(error)
    try:
        yield server
    finally:
        server.stop()


def gap_of(muniment: Muniment) -> Any:
    """Return the only gap of a program that runs."""
    [gap] = json.loads(run(muniment, "gaps", "--json"))["rows"]
    return gap


async def test_archive_in_mariadb_fills_a_gap_is_compared_and_imported(
    tmp_path: Path, release: Release, mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = mariadb.create("ejabberd")
    schema = Path(release.erl).parent / "usr/share/ejabberd/sql/mysql.new.sql"
    mariadb.sql(schema.read_bytes(), database="ejabberd")
    sql = {
        "sql_type": "mysql",
        "sql_server": LOOPBACK,
        "sql_port": mariadb.port,
        "sql_database": "ejabberd",
        "sql_username": USER,
        "sql_password": PASSWORD,
    }
    monkeypatch.setenv("SOURCE_PASSWORD", PASSWORD)
    ejabberd = BesideMuniment(
        tmp_path / "ejabberd", release, is_multihost=True, compresses=True, sql=sql
    )
    texts = ["before", "missed", "also missed \U0001f600 <&>", "after"]
    with ejabberd:
        backfill = {"source": "sql", "url": url, "password": PASSWORD, "retry_seconds": 1.0}
        muniment = Muniment(tmp_path / "beside", ejabberd, options={"backfill": backfill})
        alice, bob = (Account(name, ejabberd.hosts[1], "pencil") for name in ("alice", "bob"))
        ejabberd.register(alice, bob)
        port = ejabberd.ports.c2s
        with muniment:
            async with Client(alice, port) as sender, Client(bob, port) as receiver:
                await receiver.be_available()
                for text in texts:
                    if text == texts[1]:
                        await mam.wait_for_bodies(receiver, texts[:1])
                        await asyncio.to_thread(muniment.stop)
                    if text == texts[3]:
                        await asyncio.to_thread(muniment.start)
                    sender.say(bob.jid, text)
                    await receiver.wait_for_body(text)
                # Whoever reads has the messages at once, all others a little later.
                for client in (receiver, sender):
                    await mam.wait_for_bodies(client, texts)
            async with asyncio.timeout(60):
                while (gap := gap_of(muniment))["state"] in ("open", "filling"):  # noqa: ASYNC110 - a state, not an event
                    await asyncio.sleep(0.2)
            compared = run(muniment, "compare", "ejabberd", url)
        other = new(tmp_path, ejabberd)
        report = imported(other, "ejabberd", url)

    assert (gap["state"], gap["messages"]) == ("filled", 4)
    assert "2 archives compared, 0 with differences." in compared
    assert {owner: numbers["added"] for owner, numbers in report["owners"].items()} == {
        alice.jid: len(texts),
        bob.jid: len(texts),
    }
    messages = await messages_of(other, bob.jid)
    assert [body_of(message.xml) for message in messages] == texts


#: MySQL takes these names for one.
ALIKE = ("jose", "jos\u00e9")

#: Makes rows of both names at two hosts, eight of them at a time.
_ROWS = """
INSERT INTO archive (username, server_host, timestamp, peer, bare_peer, xml, kind)
SELECT elt(1 + seq % 2, 'jose', 'jos\u00e9'), elt(1 + seq % 4 DIV 2, 'one.test', 'two.test'),
    1700000000000000 + seq DIV 8, 'bob@one.test', 'bob@one.test', '<message/>', 'chat'
FROM seq_1_to_{};
ANALYZE TABLE archive;
"""


@pytest.mark.newest_ejabberd
async def test_large_archives_in_mariadb_are_read_once_and_names_told_apart(
    release: Release, mariadb: MariaDb
) -> None:
    url = mariadb.create("ejabberd").replace("@", f":{PASSWORD}@")
    folder = Path(release.erl).parent / "usr/share/ejabberd/sql"
    mariadb.sql((folder / "mysql.new.sql").read_bytes(), database="ejabberd")
    rows = 4096
    mariadb.sql(_ROWS.format(rows).encode(), database="ejabberd")
    owners = {f"{name}@{host}": rows // 4 for name in ALIKE for host in ("one.test", "two.test")}

    async with open_database(url) as database:
        source = EjabberdSource(database, url, None)
        pages = [page async for page in source.pages()]
        status = await database.fetch("SHOW SESSION STATUS LIKE 'Handler_read_%'")
        resumed = [page async for page in source.pages(pages[-3].place)]
    for_gap = [await read_for_gap(url, f"{name}@one.test") for name in ALIKE]

    assert Counter(record.owner for page in pages for record in page.records) == owners
    assert resumed == pages[-2:]
    assert sum(int(number) for _, number in status) < 2 * rows
    assert for_gap == [{f"{name}@one.test": rows // 4} for name in ALIKE]


async def test_comparison_with_mod_mam_finds_what_was_missed(
    tmp_path: Path, release: Release
) -> None:
    with BesideMuniment(tmp_path / "ejabberd", release) as ejabberd:
        muniment = new(tmp_path, ejabberd)
        alice, bob = (Account(name, "one.test", "pencil") for name in ("alice", "bob"))
        ejabberd.register(alice, bob)
        port, source = ejabberd.ports.c2s, ("ejabberd", f"sqlite:{ejabberd.database}")

        async def say(*texts: str) -> None:
            async with Client(alice, port) as sender, Client(bob, port, "desk") as receiver:
                await receiver.be_available()
                for text in texts:
                    sender.say(bob.jid, text)
                    await receiver.wait_for_body(text)

        with muniment:
            await say("one", "two", "two", "\u00fc <3")
            async with Client(bob, port) as client:
                await mam.everything(client)  # so that all is written
            alike = run(muniment, "compare", *source, "--host", "one.test")
        await say("missed")
        with muniment:
            await say("after")
            async with Client(bob, port) as client:
                await mam.everything(client)
            different = run(muniment, "compare", *source, "--host", "one.test", "--json", code=1)
            locked = run(muniment, "import", *source, "--host", "one.test", code=75)
        refused = imported(muniment, *source, "--host", "one.test", code=1)
        added = imported(muniment, *source, "--host", "one.test", "--behind")
        filled = run(muniment, "compare", *source, "--host", "one.test")
        verified = run(muniment, "verify")

    assert "2 archives compared, 0 with differences." in alike
    comparisons = {line["owner"]: line for line in map(json.loads, different.splitlines())}
    assert {
        owner: (line["missing_here"], line["missing_there"]) for owner, line in comparisons.items()
    } == {alice.jid: (1, 0), bob.jid: (1, 0)}
    assert "stop Muniment first" in locked
    # The messages that Muniment has from its copies are recognised in the table.
    for owner in (alice.jid, bob.jid):
        assert (refused["owners"][owner]["present"], refused["owners"][owner]["no_room"]) == (5, 1)
        assert (added["owners"][owner]["present"], added["owners"][owner]["added"]) == (5, 1)
    assert "2 archives compared, 0 with differences." in filled
    assert "no fault in 12 messages" in verified
    messages = await messages_of(muniment, bob.jid)
    assert [body_of(message.xml) for message in messages] == [
        "one",
        "two",
        "two",
        "\u00fc <3",
        "after",
        "missed",
    ]
