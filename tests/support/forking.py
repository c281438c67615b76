"""Ask a process of the tests to run our command: `python -ISE forking.py SOCKET ARGUMENTS`.

It is a program for the scripts of a test, and imports little, because a start of our command would
take ten times as long. The command has the streams, the environment and the folder of its caller.
"""

from __future__ import annotations

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
    connection.connect(sys.argv[1])
    request = {
        "arguments": sys.argv[2:],
        "environment": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109
    }
    socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
    raise SystemExit(int(connection.recv(16)))
