"""The upper limit: ejabberd with a component that sends a constant page."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from support.ejabberd import ROOT, Ejabberd
from support.program import Program


class Constant(Program):
    """`constant_page` in a process of its own, beside an ejabberd."""

    def __init__(self, folder: Path, server: Ejabberd) -> None:
        super().__init__("constant", folder / "constant.log")
        self._folder = folder
        self._server = server

    def start(self) -> None:
        """Start, and return when ejabberd delegates queries to the component."""
        self.log_path.unlink(missing_ok=True)
        module = [sys.executable, "-u", "-m", "benchmarks.servers.constant_page"]
        self.launch(
            [*module, str(self._server.ports.component), self._server.secret],
            cwd=self._folder,
            environment={"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))},
        )
        self.wait_until(lambda: "ready" in self.log, "is let answer")
