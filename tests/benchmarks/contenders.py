"""The measured contenders, each with a letter and a function that starts it in a folder."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from support.muniment import DATABASE as STORE
from support.muniment import Muniment, Options
from support.ports import LOOPBACK

from benchmarks.servers.constant import Constant
from benchmarks.servers.ejabberd import HOST, MOD_MAM, BenchmarkedEjabberd
from benchmarks.servers.postgres import DATABASE, USER, EjabberdPostgres, Postgres
from benchmarks.servers.prosody import Prosody

#: The name and the secret of the operator that reads archives over the archive API.
OPERATOR, OPERATOR_SECRET = "bench", "benchmark-operator-secret"
_OPERATOR = {"role": "reader", "secret": OPERATOR_SECRET}

#: Options of each Muniment.
_HOSTS = {"hosts": [HOST]}
_OPTIONS: Options = {
    "xmpp": _HOSTS,
    "log": {"level": "warning"},
    f"operators.{OPERATOR}": _OPERATOR,
}

#: The domains of two processes of Muniment, which are folders too.
TWO = ("muniment-1.example", "muniment-2.example")

#: The name of the second process of Muniment in figures; the first one is "muniment".
SECOND = "muniment_2"

_ARCHIVED = "SELECT coalesce(sum(messages), 0) FROM owners"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A running contender, which accepts clients."""

    port: int  #: for XMPP clients
    pids: Mapping[str, int]  #: its processes by name, each with children of its own
    muniment: Muniment | None = None
    start_seconds: float = 0.0  #: from Muniment's command until all its parts were ready
    has_archive: bool = True
    #: how many messages its archives hold; None where a message is archived before it is delivered
    archived: Callable[[], int] | None = None


@dataclass(frozen=True, slots=True)
class Contender:
    """A server, or a combination of servers, that is compared with others."""

    key: str
    name: str
    start: Callable[[Path], AbstractContextManager[Running]]
    archives_of: str = ""  #: key of the contender in whose folder its archives are; "": its own

    @property
    def kept(self) -> str:
        """The name of the folder with its archives, for parts that keep them between turns."""
        return self.archives_of or self.key


@contextmanager
def _ejabberd_sqlite(folder: Path) -> Iterator[Running]:
    options = f"sql_type: sqlite\nsql_database: {folder}/ejabberd.sqlite\n"
    with BenchmarkedEjabberd(folder, modules=MOD_MAM, options=options) as server:
        yield Running(port=server.ports.c2s, pids={"ejabberd": server.pid})


@contextmanager
def _ejabberd_postgres(folder: Path) -> Iterator[Running]:
    with EjabberdPostgres(folder) as database:
        options = (
            f"sql_type: pgsql\nsql_server: {LOOPBACK}\nsql_port: {database.port}\n"
            f'sql_database: {DATABASE}\nsql_username: {USER}\nsql_password: ""\n'
        )
        with BenchmarkedEjabberd(folder, modules=MOD_MAM, options=options) as server:
            pids = {"ejabberd": server.pid, "postgres": database.pid}
            yield Running(port=server.ports.c2s, pids=pids)


@contextmanager
def _prosody(folder: Path) -> Iterator[Running]:
    with Prosody(folder) as server:
        yield Running(port=server.port, pids={"prosody": server.pid})


@contextmanager
def _muniment(folder: Path) -> Iterator[Running]:
    with BenchmarkedEjabberd(folder) as server:
        begun = time.perf_counter()
        with Muniment(folder, server, options=_OPTIONS) as archive:
            yield Running(
                port=server.ports.c2s,
                pids={"ejabberd": server.pid, "muniment": archive.pid},
                muniment=archive,
                start_seconds=time.perf_counter() - begun,
                archived=lambda: kept(folder / STORE),
            )


def kept(database: Path) -> int:
    """Return the number of messages in the archives of a store."""
    # Read beside Muniment: asked itself it would answer when it has read what came before.
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(_ARCHIVED).fetchone()[0]


@contextmanager
def _muniment_postgres(folder: Path, processes: Sequence[str] = ()) -> Iterator[Running]:
    """Run one process of Muniment on PostgreSQL, or several ones with these domains."""
    with ExitStack() as stack:
        database = stack.enter_context(Postgres(folder))
        server = stack.enter_context(BenchmarkedEjabberd(folder, processes=processes))
        begun = time.perf_counter()
        store = {"url": database.url(DATABASE)}
        if processes:
            archives = [
                stack.enter_context(
                    Muniment(
                        folder / name,
                        server,
                        options={
                            **_OPTIONS,
                            "xmpp": {"jid": name, "processes": list(processes), **_HOSTS},
                            "storage": store,
                        },
                    )
                )
                for name in processes
            ]
        else:
            options = {"storage": store, **_OPTIONS}
            archives = [stack.enter_context(Muniment(folder, server, options=options))]
        pids = dict(zip(("muniment", SECOND), [archive.pid for archive in archives], strict=False))
        yield Running(
            port=server.ports.c2s,
            pids={"ejabberd": server.pid, **pids, "postgres": database.pid},
            muniment=archives[0],
            start_seconds=time.perf_counter() - begun,
            archived=lambda: int(database.sql(_ARCHIVED.encode())),
        )


@contextmanager
def _without_archive(folder: Path) -> Iterator[Running]:
    with BenchmarkedEjabberd(folder, modules="") as server:
        pids = {"ejabberd": server.pid}
        yield Running(port=server.ports.c2s, pids=pids, has_archive=False)


@contextmanager
def _constant(folder: Path) -> Iterator[Running]:
    with BenchmarkedEjabberd(folder) as server, Constant(folder, server) as component:
        pids = {"ejabberd": server.pid, "component": component.pid}
        yield Running(port=server.ports.c2s, pids=pids)


A = Contender("A", "ejabberd + SQLite", _ejabberd_sqlite)
B = Contender("B", "ejabberd + PostgreSQL", _ejabberd_postgres)
C = Contender("C", "Prosody + SQLite", _prosody)
D = Contender("D", "ejabberd + Muniment", _muniment)
E = Contender("E", "ejabberd, no archive", _without_archive)
F = Contender("F", "ejabberd + constant page", _constant)

G = Contender("G", "ejabberd + Muniment on PostgreSQL", _muniment_postgres)
H = Contender(
    "H",
    "ejabberd + two Muniments on PostgreSQL",
    partial(_muniment_postgres, processes=TWO),
    archives_of=G.key,
)

#: The contenders with an archive, in the order of their turns.
ARCHIVES = (A, B, C, D)

#: Muniment on PostgreSQL, in one process and in two.
ON_POSTGRES = (G, H)

BY_KEY = {contender.key: contender for contender in (*ARCHIVES, E, F, *ON_POSTGRES)}
