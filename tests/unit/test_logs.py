"""The formats of the log, escaped values, and the levels of libraries."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from component import logs


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """Restore the loggers after the test."""
    names = (None, *logs.MIN_LEVELS)
    levels = {name: logging.getLogger(name).level for name in names}
    handlers = list(logging.getLogger().handlers)
    yield
    logging.getLogger().handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def logged(form: Literal["text", "json"], message: str, *values: object) -> str:
    """Log one event and return the output."""
    stream = io.StringIO()
    logs.setup("info", form, stream)
    logging.getLogger("component.test").warning(message, *values)
    return stream.getvalue()


def failed(form: Literal["text", "json"], text: str) -> str:
    """Log an exception with this text and return the output."""
    stream = io.StringIO()
    logs.setup("info", form, stream)
    try:
        raise ValueError(text)
    except ValueError:
        logging.getLogger("component.test").exception("failed")
    return stream.getvalue()


def test_line_has_time_level_logger_and_message() -> None:
    line = logged("text", "%s is %d", "chat.example", 3)

    time, remainder = line.split(" ", 1)
    assert time.endswith("Z")
    assert len(time) == len("2026-01-01T00:00:00.000Z")
    assert remainder == "WARNING component.test: chat.example is 3\n"


@pytest.mark.parametrize(
    "forged",
    [
        "\n",
        "\r",
        "\r\n",
        "\x00",
        "\x1b[2J",
        "\x7f",
        "\x85",
        "\x9b2J",
        "\u2028",
        "\u202e",
        "\ud800",
    ],
)
def test_line_ends_in_values_are_escaped(forged: str) -> None:
    line = logged("text", "from %s", f"a{forged}b")

    assert line.endswith("b\n")
    assert line[:-1].isprintable()


def test_escaped_value_is_readable() -> None:
    assert logged("text", "from %s", "a\nb\u2028ü").endswith("from a\\nb\\u2028ü\n")


def test_traceback_is_indented() -> None:
    lines = failed("text", "x\n2026-01-01T00:00:00.000Z INFO forged").splitlines()

    assert lines[0].endswith("ERROR component.test: failed")
    assert "    ValueError: x" in lines
    assert all(line.startswith("    ") for line in lines[1:])


def test_json_has_one_object_per_line() -> None:
    event = json.loads(logged("json", "from %s", "a\nb"))

    assert event.pop("time").endswith("Z")
    assert event == {"level": "warning", "logger": "component.test", "message": "from a\nb"}


def test_json_has_the_traceback_in_one_line() -> None:
    written = failed("json", "x\ny")

    assert written.count("\n") == 1
    assert json.loads(written)["traceback"].endswith("ValueError: x\ny")


def test_lone_surrogate_is_escaped_in_json() -> None:
    assert json.loads(logged("json", "%s", "\ud800"))["message"] == "\\ud800"


@pytest.mark.parametrize("name", ["slixmpp.xmlstream.xmlstream", "aiosqlite"])
def test_library_logs_with_messages_are_suppressed(name: str) -> None:
    stream = io.StringIO()

    logs.setup("debug", "text", stream)
    logging.getLogger(name).debug("SEND: %s", "<message/>")
    logging.getLogger(name).warning("trouble")

    assert stream.getvalue().count("\n") == 1
    assert "trouble" in stream.getvalue()


def test_login_at_ejabberd_is_not_logged() -> None:
    stream = io.StringIO()

    logs.setup("debug", "text", stream)
    logging.getLogger("slixmpp.xmlstream.xmlstream").info("connection_lost: (None,)")

    assert stream.getvalue() == ""


def test_higher_level_applies_to_every_logger() -> None:
    stream = io.StringIO()

    logs.setup("error", "text", stream)
    logging.getLogger("slixmpp").warning("no")
    logging.getLogger("component").warning("no")

    assert stream.getvalue() == ""


def test_second_setup_replaces_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()

    logs.setup("info", "text", first)
    logs.setup("info", "text", second)
    logging.getLogger("component").info("once")

    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


def test_lines_to_the_journal_begin_with_their_severity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "journal").open("w+") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        logs.setup("debug", "text", stream)
        log = logging.getLogger("component.test")
        log.debug("detail")
        log.warning("look")
        try:
            raise ValueError("broken")
        except ValueError:
            log.exception("failed")
        stream.seek(0)
        lines = stream.read().splitlines()

    assert [line[:3] for line in lines[:2]] == ["<7>", "<4>"]
    assert len(lines) > 3
    assert {line[:3] for line in lines[2:]} == {"<3>"}


def test_lines_elsewhere_have_no_severity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")
    with (tmp_path / "log").open("w+") as stream:
        logs.setup("info", "text", stream)
        logging.getLogger("component.test").warning("look")
        stream.seek(0)

        assert stream.read().startswith("20")
