"""The log on standard error: one line, or one JSON object, for each event.

Values in messages come from strangers. This module escapes characters that end a line or control
a terminal, so that no stranger can forge a line of the log.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

import orjson

#: The lowest levels of libraries. Their debug lines have whole stanzas and rows, and so messages
#: of users; they are not logged even at level debug. At level info slixmpp logs the end of each
#: connection, which would be a line for each login at ejabberd.
MIN_LEVELS = {"slixmpp": logging.WARNING, "aiosqlite": logging.INFO}

#: Control characters, line separators, lone surrogates, and marks that reverse text on a screen.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def setup(
    level: Literal["debug", "info", "warning", "error"],
    format_: Literal["text", "json"],
    stream: TextIO | None = None,
) -> None:
    """Log events of at least this level to the stream, by default standard error.

    A second call replaces the first.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    lines = JsonLines() if format_ == "json" else Lines()
    handler.setFormatter(JournalLines(lines) if _is_journal(handler.stream) else lines)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, minimum in MIN_LEVELS.items():
        logging.getLogger(name).setLevel(max(root.level, minimum))


class Lines(logging.Formatter):
    """Formats an event as a line: time, level, logger, message; then an indented traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of an event."""
        line = f"{_time(record)} {record.levelname} {record.name}: {_escaped(record.getMessage())}"
        # Lines of an exception are indented, so that none of them looks like an event.
        return "\n    ".join([line, *map(_escaped, self._traceback(record).splitlines())])

    def _traceback(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info else ""


class JsonLines(Lines):
    """Formats an event as a JSON object: time, level, logger, message, and any traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of an event."""
        event = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _encodable(record.getMessage()),
        }
        if record.exc_info:
            event["traceback"] = _encodable(self._traceback(record))
        return orjson.dumps(event).decode()


class JournalLines(logging.Formatter):
    """Puts the severity before each line, which journald takes away again: sd-daemon(3)."""

    #: Severities of syslog(3), from the highest level down.
    SEVERITIES = (
        (logging.CRITICAL, 2),
        (logging.ERROR, 3),
        (logging.WARNING, 4),
        (logging.INFO, 6),
    )
    DEBUG = 7

    def __init__(self, lines: logging.Formatter) -> None:
        super().__init__()
        self._lines = lines

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of an event."""
        severity = next(
            (number for level, number in self.SEVERITIES if record.levelno >= level), self.DEBUG
        )
        lines = self._lines.format(record).split("\n")
        return "\n".join(f"<{severity}>{line}" for line in lines)


def _is_journal(stream: TextIO) -> bool:
    """Return whether a stream is the one to journald, by the variable of systemd.exec(5)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _escaped(text: str) -> str:
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _encodable(text: str) -> str:
    """Escape lone surrogates, which JSON in UTF-8 cannot hold."""
    return text.encode(errors="backslashreplace").decode()
