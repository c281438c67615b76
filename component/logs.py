"""What the program says on standard error: one line, or one JSON object, an event.

Values in messages come from strangers. Whatever could pass for the end of a line, or steer a
terminal, is escaped here, once, so that nobody writes lines of their own into the log.
"""

from __future__ import annotations

import logging
import re
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

import orjson

#: The least that is logged of libraries. Their debug lines hold whole stanzas and whole rows, that
#: is people's messages: not even level debug shows them, which is turned on for something else.
#: What slixmpp informs of are ends of connections, and each login is one; ours are told by us.
LEAST = {"slixmpp": logging.WARNING, "aiosqlite": logging.INFO}

#: Control characters, line separators, and the marks that turn text round on a screen.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def setup(
    level: Literal["debug", "info", "warning", "error"],
    form: Literal["text", "json"],
    stream: TextIO | None = None,
) -> None:
    """Send every logger's events of at least this level to the stream, standard error by default.

    A second call replaces the first.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in LEAST.items():
        logging.getLogger(name).setLevel(max(root.level, least))


class Lines(logging.Formatter):
    """Time, level, logger, message; a traceback follows, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one event."""
        line = f"{_time(record)} {record.levelname} {record.name}: {_escaped(record.getMessage())}"
        # Indented, so that no line of an exception's text can look like an event.
        return "\n    ".join([line, *map(_escaped, self._traceback(record).splitlines())])

    def _traceback(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info else ""


class JsonLines(Lines):
    """One JSON object a line: time, level, logger, message, and traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one event."""
        event = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _encodable(record.getMessage()),
        }
        if record.exc_info:
            event["traceback"] = _encodable(self._traceback(record))
        return orjson.dumps(event).decode()


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _escaped(text: str) -> str:
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _encodable(text: str) -> str:
    """Escape lone surrogates, which no JSON can hold."""
    return text.encode(errors="backslashreplace").decode()
