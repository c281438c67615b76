"""The file with the key of access tokens: the first start creates it, ejabberd reads it too."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from component.core.tokens.access_tokens import Key

log = logging.getLogger(__name__)

#: ejabberd runs as another user: the administrator shares the file with its group.
MODE = 0o600

MAX_BYTES = 4096


def load(path: Path) -> Key:
    """Return the key in a file, which is created if it does not exist.

    Raises OSError, whose message names the file and says what to change.
    """
    try:
        try:
            return _read(path)
        except FileNotFoundError:
            return _create(path)
    except OSError as error:
        if error.errno is None:
            raise
        reason = f"tokens.key_file: {path}: {error.strerror}"
        raise OSError(f"{reason}: the user of Muniment has to read it, or create it") from error


def _read(path: Path) -> Key:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES)
        if os.fstat(file.fileno()).st_mode & stat.S_IROTH:
            log.warning(
                "every user of this machine can read %s, and so make access tokens of anybody:"
                " chmod o= %s",
                path,
                path,
            )
    try:
        return Key.parse(content.decode())
    except ValueError as error:
        # The cause is hidden: it may contain the key.
        raise OSError(f"tokens.key_file: {path} {error}: remove it to have it created") from None


def _create(path: Path) -> Key:
    key = Key.generate()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        # Another process has created it at the same moment.
        return _read(path)
    with os.fdopen(descriptor, "w") as file:
        file.write(key.jwk() + "\n")
        file.flush()
        os.fsync(file.fileno())
    log.info("created the key of access tokens: %s", path)
    return key
