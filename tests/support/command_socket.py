"""A socket over which the scripts of a test have our command run (`support/forking.py`)."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

from support.command import start_command


class CommandSocket:
    """Runs a command for each connection, and answers with its exit code."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.bind(str(path))
        self._socket.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more connections."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._run, args=[connection], daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        with connection:
            data, files, _, _ = socket.recv_fds(connection, 1 << 20, 3)
            request = json.loads(data)
            stdin, stdout, stderr = files
            process = start_command(
                request["arguments"],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                environment=request["environment"],
                folder=Path(request["folder"]),
            )
            for file in files:
                os.close(file)
            code = process.wait()
            connection.send(str(code if code >= 0 else 128 - code).encode())
