"""`muniment export`: write an archive of any size to a file."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from component.clients.muniment_http import Answer, Client

NAME = "export"


class NotWritten(Exception):
    """The file cannot be written."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the option for the name of the file."""
    parser.add_argument(
        "--output", type=Path, metavar="PATH", help="a new file (default: standard output)"
    )


async def export(client: Client, options: argparse.Namespace) -> Answer:
    """Write an archive to a file and return the answer. Raises NotRunning or NotWritten."""
    with _writing(options.output) as write:
        answer = await client.download(
            write,
            *("v1", "archives", options.owner, "export"),
            query={"format": options.format} if options.format else {},
        )
        if not answer.is_good:
            _remove(options.output)
        return answer


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
