"""djabberd's shape of handler under gunicorn."""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from support.ejabberd import ROOT
from support.ports import LOOPBACK, free_port
from support.program import Program

TWO_WORKERS = "2 workers, 4 threads each"

#: The usual options: one synchronous worker, or two with threads.
WORKERS = {
    "1 worker, sync": ("--workers", "1", "--worker-class", "sync"),
    TWO_WORKERS: ("--workers", "2", "--worker-class", "gthread", "--threads", "4"),
}


class Gunicorn(Program):
    """The application of `servers.djabberd` on an SQLite file."""

    def __init__(self, folder: Path, database: Path, workers: str) -> None:
        super().__init__("gunicorn", folder / "gunicorn.log")
        self.port = free_port()
        self._folder = folder
        self._database = database
        self._workers = workers

    def start(self) -> None:
        """Start, and return when the server accepts connections."""
        listen = ["--bind", f"{LOOPBACK}:{self.port}", "--keep-alive", "75"]
        self.launch(
            [
                *(sys.executable, "-m", "gunicorn", *listen, *WORKERS[self._workers]),
                "benchmarks.servers.djabberd:application",
            ],
            cwd=self._folder,
            environment={
                "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests"))),
                "DJABBERD_DATABASE": str(self._database),
            },
        )
        self.wait_until(self._answers, "answers requests")

    def _answers(self) -> bool:
        # The server accepts connections before a worker can answer.
        connection = HTTPConnection(LOOPBACK, self.port, timeout=5)
        try:
            connection.request("GET", "/archive")
            return connection.getresponse().status == 401
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
