"""Three PostgreSQL under Patroni with etcd on this machine, and failures of its leader."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self

from support.command import ROOT
from support.ports import LOOPBACK, free_port
from support.postgres import USER, account, as_user, program, run
from support.process_tree import signal_tree
from support.program import Failed, Program

PATRONI = ROOT / ".venv-ha" / "bin" / "patroni"

#: Patroni's defaults, in seconds: a leader that says nothing for `ttl` has lost its place.
TIMES = {"ttl": 30, "loop_wait": 10, "retry_timeout": 10}

#: By when a cluster is complete: a copy of the data is made for each standby.
COMPLETE_SECONDS = 180.0

#: PostgreSQL of a test machine: small, and with data that survives the death of its processes.
_PARAMETERS = {"unix_socket_directories": "", "shared_buffers": "32MB", "max_connections": "50"}

_TRUST = [f"host {database} all {LOOPBACK}/32 trust" for database in ("all", "replication")]


class Etcd(Program):
    """A store of one node for Patroni."""

    def __init__(self, folder: Path) -> None:
        super().__init__("etcd", folder / "etcd.log")
        self._folder = folder
        self.port = free_port()
        self._peers = f"http://{LOOPBACK}:{free_port()}"

    def start(self) -> None:
        """Start, and return when it answers."""
        clients = f"http://{LOOPBACK}:{self.port}"
        options = {
            "data-dir": str(self._folder / "etcd"),
            "listen-client-urls": clients,
            "advertise-client-urls": clients,
            "listen-peer-urls": self._peers,
            "initial-advertise-peer-urls": self._peers,
            "initial-cluster": f"default={self._peers}",
        }
        command = ["etcd", *(f"--{name}={value}" for name, value in options.items())]
        self.launch(command, cwd=self._folder)
        self.wait_until(lambda: _get(self.port, "/health") is not None, "answers")


class Node(Program):
    """A PostgreSQL with its Patroni."""

    def __init__(self, folder: Path, name: str, etcd_port: int) -> None:
        super().__init__(name, folder / f"{name}.log")
        self.port = free_port()
        self.rest_port = free_port()
        self._folder = folder / name
        self._data = self._folder / "data"
        self._etcd_port = etcd_port

    def start(self) -> None:
        """Start, and return when Patroni answers; PostgreSQL starts later."""
        self._folder.mkdir(exist_ok=True)
        config = self._folder / "patroni.json"
        config.write_text(json.dumps(self._config()))
        if os.geteuid() == 0:
            shutil.chown(self._folder, *account())
        self.launch([*as_user(), str(PATRONI), str(config)], cwd=self._folder)
        self.wait_until(lambda: self.cluster() is not None, "answers")

    def cluster(self) -> dict[str, Any] | None:
        """Return what this node knows of the cluster; None: it does not answer."""
        return _get(self.rest_port, "/cluster")

    @property
    def is_leader(self) -> bool:
        """Whether this node takes writes, as Patroni says."""
        return _get(self.rest_port, "/primary") is not None

    def kill(self) -> None:
        """End Patroni and PostgreSQL at once, as a loss of the machine would."""
        server = self._server()
        super().kill()
        if server is not None:
            signal_tree(server, signal.SIGKILL)

    def pause(self) -> None:
        """Freeze Patroni and PostgreSQL: connections stay open, and nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after `pause`."""
        if self.is_running:
            self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        signal_tree(self.pid, number)
        # Patroni starts PostgreSQL in a way that it outlives Patroni.
        if (server := self._server()) is not None:
            signal_tree(server, number)

    def _server(self) -> int | None:
        """Return the process id of PostgreSQL."""
        with suppress(FileNotFoundError):
            return int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
        return None

    def _config(self) -> dict[str, Any]:
        # The servers trust all that connect, but Patroni insists on a password.
        me = {"username": USER, "password": USER}
        return {
            "scope": "muniment",
            "name": self.name,
            "restapi": _listening(self.rest_port),
            "etcd3": {"host": f"{LOOPBACK}:{self._etcd_port}"},
            "bootstrap": {
                "dcs": {
                    **TIMES,
                    "synchronous_mode": True,
                    "postgresql": {"use_pg_rewind": True, "parameters": _PARAMETERS},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
            },
            "postgresql": {
                **_listening(self.port),
                "data_dir": str(self._data),
                "bin_dir": str(Path(program("postgres")).parent),
                "pgpass": str(self._folder / "pgpass"),
                "authentication": {"superuser": me, "replication": me, "rewind": me},
                "pg_hba": _TRUST,
            },
        }


class Cluster:
    """Three nodes, one of which leads; a commit is on two of them before it returns."""

    def __init__(self, nodes: Sequence[Node], folder: Path) -> None:
        self.nodes = nodes
        self._folder = folder

    @classmethod
    @contextmanager
    def running(cls, folder: Path) -> Iterator[Self]:
        """Run all in a folder, which the user of PostgreSQL can enter."""
        with ExitStack() as stack:
            etcd = stack.enter_context(Etcd(folder))
            nodes = [Node(folder, f"node{n}", etcd.port) for n in (1, 2, 3)]
            cluster = cls(nodes, folder)
            for node in nodes:
                stack.callback(node.kill)
                node.start()
                # The others copy the data of the first.
                cluster.wait_for_leader()
            cluster.wait_until_complete()
            yield cluster

    @property
    def version(self) -> str:
        """The version of Patroni."""
        status = _get(self.nodes[0].rest_port, "/patroni") or {}
        return str(status.get("patroni", {}).get("version"))

    @property
    def leader(self) -> Node | None:
        """The node that takes writes, None if there is none at the moment."""
        return next((node for node in self.nodes if node.is_running and node.is_leader), None)

    def wait_for_leader(self, *, other_than: Node | None = None) -> Node:
        """Return the leader, as soon as there is one."""
        deadline = time.monotonic() + COMPLETE_SECONDS
        while time.monotonic() < deadline:
            others = [node for node in self.nodes if node is not other_than and node.is_running]
            for node in others:
                if node.is_leader:
                    return node
            if not others:
                break
            time.sleep(0.1)
        raise Failed("no node has become the leader\n" + "\n".join(n.tail for n in self.nodes))

    def wait_until_complete(self) -> None:
        """Return when two standbys follow the leader, one of them synchronously."""
        deadline = time.monotonic() + COMPLETE_SECONDS
        while time.monotonic() < deadline:
            leader = self.leader
            members = (leader.cluster() or {}).get("members", []) if leader else []
            roles = sorted(m["role"] for m in members if m["state"] in ("running", "streaming"))
            if roles == ["leader", "replica", "sync_standby"]:
                return
            time.sleep(0.2)
        raise Failed("the cluster is incomplete\n" + "\n".join(n.tail for n in self.nodes))

    def url(self, database: str) -> str:
        """Return the URL of a database at whichever node takes writes."""
        hosts = ",".join(f"{LOOPBACK}:{node.port}" for node in self.nodes)
        options = "sslmode=disable&target_session_attrs=read-write"
        return f"postgresql://{USER}@{hosts}/{database}?{options}"

    def create(self, database: str) -> str:
        """Create a database, and return its URL."""
        self.sql(f"CREATE DATABASE {database}", database="postgres")
        return self.url(database)

    def sql(self, text: str, *, database: str) -> str:
        """Run statements at the leader, and return what they print."""
        command = [program("psql"), self.url(database), "-XqAt", "-v", "ON_ERROR_STOP=1"]
        return run(command, self._folder, input=text.encode()).decode().strip()


def _listening(port: int) -> dict[str, str]:
    address = f"{LOOPBACK}:{port}"
    return {"listen": address, "connect_address": address}


def _get(port: int, path: str) -> dict[str, Any] | None:
    """Return the JSON object that a server answers; None: it does not, or it refuses."""
    connection = HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = json.loads(answer.read())
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return body if answer.status == 200 else None
