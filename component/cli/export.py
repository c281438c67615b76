"""`muniment export`: write an archive of any size to a file."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from component.cli.parsers import add_json
from component.cli.progress import Bar, progress_bar
from component.core.wording import size_of

if TYPE_CHECKING:
    from component.clients.muniment_http import Answer, Client

NAME = "export"

HELP = (
    "It may have any size: a JSON object for each message, on a line each, or a file of XEP-0227 "
    "for another server. `muniment export-person` exports what else there is about a user, too."
)

#: What ends a message in each format.
ENDS = {"jsonl": b"\n", "xep0227": b"</forwarded></result>\n"}


class NotWritten(Exception):
    """The file cannot be written."""


class NoFile(Exception):
    """A report about the file is asked for, and the export itself goes to standard output."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options about the file."""
    parser.add_argument(
        "--output", type=Path, metavar="PATH", help="a new file (default: standard output)"
    )
    add_json(parser, "print JSON about the file that was written, for programs")


async def export(client: Client, options: argparse.Namespace) -> Answer:
    """Write an archive to a file and return the answer.

    Raises NotRunning, NotWritten, NoFile.
    """
    query = {"format": options.format} if options.format else {}
    end = ENDS[options.format or "jsonl"]
    return await download(client, options, "export", query=query, end=end)


async def download(
    client: Client,
    options: argparse.Namespace,
    name: str,
    *,
    query: Mapping[str, str] | None = None,
    end: bytes = b"",
    timeout_seconds: float | None = None,
) -> Answer:
    """Write a file about an archive, which has a name in the API, and return the answer.

    `end` ends each message in the file, so that the progress counts messages; without it, it
    counts bytes. Raises NotRunning, NotWritten, NoFile.
    """
    if options.json and options.output is None:
        raise NoFile("--json needs --output: without a file the export itself is the output.")
    title = f"Export {options.owner}"
    with (
        _writing(options.output) as write,
        _bar(title, options.output, in_bytes=not end) as bar,
    ):
        size, counter = 0, Counter(end)

        def sink(piece: bytes) -> None:
            nonlocal size
            write(piece)
            size += len(piece)
            bar.advance(counter.count(piece) if end else len(piece))

        answer = await client.download(
            sink,
            *("v1", "archives", options.owner, name),
            query=query or {},
            begin=bar.set_total if end else lambda _: None,
            timeout_seconds=timeout_seconds,
        )
        if not answer.is_good:
            _remove(options.output)
            return answer
    if options.json:
        data = {"owner": options.owner, "output": str(options.output), "bytes": size}
        print(json.dumps(data, ensure_ascii=False))
    elif options.output is not None:
        print(f"{options.output}: {size_of(size)}.", file=sys.stderr)
    return answer


class Counter:
    """Counts a mark in pieces of a file, also where it is split between two."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._rest = b""

    def count(self, piece: bytes) -> int:
        """Return how many marks end in this piece."""
        text = self._rest + piece
        self._rest = text[-keep:] if (keep := len(self._mark) - 1) else b""
        return text.count(self._mark)


def _bar(title: str, path: Path | None, *, in_bytes: bool) -> AbstractContextManager[Bar]:
    """Return a bar, unless the export itself is printed on the terminal."""
    if path is None and sys.stdout.isatty():
        return nullcontext(Bar())
    return progress_bar(title, None, in_bytes=in_bytes)


@contextmanager
def _writing(path: Path | None) -> Iterator[Callable[[bytes], None]]:
    """Open a new file and yield its write function. Remove the file after an error."""
    with _reported(path):
        file = sys.stdout.buffer if path is None else _create(path)

        def write(piece: bytes) -> None:
            # Errors of the file are translated here: the client treats an OSError as its own.
            with _reported(path):
                file.write(piece)

        try:
            yield write
            file.flush()
        except BaseException:
            _remove(path)
            raise
        finally:
            if path is not None:
                file.close()


@contextmanager
def _reported(path: Path | None) -> Iterator[None]:
    """Raise NotWritten for an error of the file system."""
    try:
        yield
    except OSError as error:
        raise NotWritten(f"{path or 'standard output'}: {error.strerror}") from error


def _create(path: Path) -> BinaryIO:
    # The file has private messages, so only its owner may read it.
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _remove(path: Path | None) -> None:
    if path is not None:
        path.unlink(missing_ok=True)
