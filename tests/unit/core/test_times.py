"""Times as XMPP writes them, to the microsecond."""

from __future__ import annotations

import time

import pytest

from component.core.errors import BadRequest
from component.core.xml.times import format_time, now, parse_time

NOON = 1_767_268_800_000_000


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.999999Z", -1),
        ("2026-01-01T12:00:00Z", NOON),
        ("2026-01-01T12:00:00+00:00", NOON),
        ("2026-01-01T12:00:00-00:00", NOON),
        ("2026-01-01T14:30:00+02:30", NOON),
        ("2026-01-01T04:00:00-08:00", NOON),
        ("2025-12-31T22:01:00-13:59", NOON),
        ("2026-01-01T12:00:00.5Z", NOON + 500_000),
        ("2026-01-01T12:00:00.000001Z", NOON + 1),
        ("2026-01-01T12:00:00.0000019Z", NOON + 1),
        ("2026-01-01T12:00:00.99999999999999999999Z", NOON + 999_999),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ],
)
def test_time_is_read(text: str, at: int) -> None:
    assert parse_time(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "1767268800",
        "2026-01-01",
        "2026-01-01T12:00:00",
        "2026-01-01 12:00:00Z",
        "2026-01-01T12:00Z",
        "2026-01-01T12:00:00.Z",
        "2026-01-01T12:00:00,5Z",
        "2026-01-01t12:00:00z",
        "2026-01-01T12:00:00ZZ",
        "2026-01-01T12:00:00Z\n",
        " 2026-01-01T12:00:00Z",
        "2026-01-01T12:00:00+0200",
        "2026-01-01T12:00:00+02",
        "2026-01-01T12:00:00+99:00",
        "2026-01-01T12:00:00+24:00",
        "2026-01-01T12:00:00+02:60",
        "20260101T12:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "2026-01-01T12:60:00Z",
        "2026-01-01T12:00:61Z",
        "0000-01-01T00:00:00Z",
        "-001-01-01T00:00:00Z",
        "12026-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "\u0662\u0660\u0662\u0666-01-01T12:00:00Z",
        "2026-01-01T12:00:00.\u0665Z",
    ],
)
def test_invalid_time_is_bad_request(text: str) -> None:
    with pytest.raises(BadRequest):
        parse_time(text)


def test_long_invalid_time_is_quoted_in_part() -> None:
    with pytest.raises(BadRequest) as caught:
        parse_time("x" * 100_000)

    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (NOON + 1, "2026-01-01T12:00:00.000001Z"),
        (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_time_is_written_with_six_digits_and_z(at: int, text: str) -> None:
    assert format_time(at) == text


def test_now_is_the_time_of_the_clock() -> None:
    before = time.time_ns() // 1000
    at = now()

    assert before <= at <= time.time_ns() // 1000
