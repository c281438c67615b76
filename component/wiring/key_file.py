"""Files of keys: the first start creates them, for the user of Muniment alone."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

MODE = 0o600

MAX_BYTES = 4096


def load(path: Path, *, option: str, purpose: str, new: Callable[[], str]) -> bytes:
    """Return the content of a file, which is created with the text of `new` if it is missing.

    `option` is the option that names the file, `purpose` what its readers can do with the key.
    Raises OSError, whose message names both and says what to change.
    """
    try:
        try:
            return _read(path, purpose)
        except FileNotFoundError:
            return _create(path, purpose, new())
    except OSError as error:
        reason = f"{option}: {path}: {error.strerror}"
        raise OSError(f"{reason}: the user of Muniment has to read it, or create it") from error


def _read(path: Path, purpose: str) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES)
        if os.fstat(file.fileno()).st_mode & stat.S_IROTH:
            log.warning(
                "every user of this machine can read %s, and so %s: chmod o= %s",
                path,
                purpose,
                path,
            )
    return content


def _create(path: Path, purpose: str, text: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    except FileExistsError:
        # Another process has created it at the same moment.
        return _read(path, purpose)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    log.info("created the key %s", path)
    return text.encode()
