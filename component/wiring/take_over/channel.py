"""The channel between the running process and the one that takes over: a Unix socket.

The socket is beside the file of the store, and only the user of the program may connect. First the
new process asks. The running one finishes its requests, sends the stream to ejabberd with its
socket, writes what waits, closes the store and sends RELEASED. The new one opens the store and
sends TAKEN.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from component.xmpp.connection.handed_stream import HandedStream

#: The version of this protocol. Processes of two versions cannot hand over.
VERSION = 1

ASK = b"muniment take-over %d\n" % VERSION
ACCEPTED, RELEASED, TAKEN = b"accepted\n", b"released\n", b"taken\n"

#: Longest line, and greatest size of a stream that is handed over.
LINE_MAX, STREAM_MAX_BYTES = 100, 512 * 1024 * 1024

_LENGTH = struct.Struct("!Q")


class NotHandedOver(Exception):
    """The other process has ended, or is not one that can hand over."""


def socket_path(store: Path) -> Path:
    """Return the path of the socket of a store in a file."""
    return store.with_name(f"{store.name}-take-over")


@contextmanager
def short(path: Path) -> Iterator[str]:
    """Yield a short name of a path, because an address has up to 107 bytes (unix(7))."""
    descriptor = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)


def listen(path: Path) -> socket.socket:
    """Listen on a path; the caller has the lock of the store. Raises OSError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        with short(path) as address:
            listener.bind(address)
            # Before `listen`, nobody can connect.
            os.chmod(address, 0o600)  # noqa: PTH101
        listener.listen(1)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def is_of_own_user(connection: socket.socket) -> bool:
    """Return whether the other end is a process of our user, or of root."""
    credentials = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    _, user, _ = struct.unpack("3i", credentials)
    return user in (0, os.geteuid())


def send_stream(
    connection: socket.socket, handed: tuple[socket.socket, HandedStream] | None
) -> None:
    """Send a stream with its socket, or that there is none. Raises OSError."""
    fields = None
    descriptors = []
    if handed is not None:
        stream_socket, stream = handed
        descriptors = [stream_socket.fileno()]
        fields = {
            "end": stream.end,
            "opening": base64.b64encode(stream.opening).decode(),
            "unread": base64.b64encode(stream.unread).decode(),
            "received_until": stream.received_until,
        }
    content = json.dumps(fields).encode()
    length = _LENGTH.pack(len(content))
    if descriptors:
        socket.send_fds(connection, [length], descriptors)
    else:
        connection.sendall(length)
    connection.sendall(content)


def receive_stream(connection: socket.socket) -> tuple[socket.socket, HandedStream] | None:
    """Return a stream with its socket, None if there is none. Raises NotHandedOver, OSError."""
    head, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size, 1)
    sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    try:
        head += receive(connection, _LENGTH.size - len(head))
        length = _LENGTH.unpack(head)[0]
        if length > STREAM_MAX_BYTES:
            raise NotHandedOver("the running process hands over too much")
        fields = json.loads(receive(connection, length))
        if fields is None or not sockets:
            return None
        handed = HandedStream(
            end=str(fields["end"]),
            opening=base64.b64decode(fields["opening"]),
            unread=base64.b64decode(fields["unread"]),
            received_until=int(fields["received_until"]),
        )
        return sockets.pop(), handed
    except (KeyError, TypeError, ValueError) as error:
        raise NotHandedOver("the running process hands over what this one cannot read") from error
    finally:
        for left in sockets:
            left.close()


def receive(connection: socket.socket, count: int) -> bytes:
    """Return exactly `count` bytes. Raises NotHandedOver, OSError."""
    content = bytearray()
    while len(content) < count:
        piece = connection.recv(min(count - len(content), 1024 * 1024))
        if not piece:
            raise NotHandedOver("the other process has ended")
        content += piece
    return bytes(content)


def expect(connection: socket.socket, line: bytes) -> None:
    """Read a line. Raises NotHandedOver if it is another one, OSError."""
    if receive(connection, len(line)) != line:
        raise NotHandedOver("the other process is another version of Muniment: stop it instead")
