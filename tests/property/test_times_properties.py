"""Times are read and written without losing a microsecond, as the standard library reads them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from component.core.errors import BadRequest
from component.core.xml.times import format_time, parse_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = parse_time("0001-01-01T00:00:00Z")
LAST = parse_time("9999-12-31T23:59:59.999999Z")

ZONES = st.integers(-24 * 60 + 1, 24 * 60 - 1).map(lambda m: timezone(timedelta(minutes=m)))
TEXTS = st.from_regex(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})",
    fullmatch=True,
)
#: Like TEXTS, with numbers that are in their range mostly.
LIKELY = st.from_regex(
    r"(2026|0001|9999)-(0[1-9]|1[0-3])-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]"
    r"(\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:[0-6][0-9])",
    fullmatch=True,
)


def microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


@given(at=st.integers(FIRST, LAST))
def test_formatted_time_is_parsed_back(at: int) -> None:
    assert parse_time(format_time(at)) == at


@given(at=st.integers(FIRST, LAST))
def test_formatted_time_is_utc_of_one_length(at: int) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", format_time(at), re.A)


@given(first=st.integers(FIRST, LAST), second=st.integers(FIRST, LAST))
def test_formatted_times_sort_like_times(first: int, second: int) -> None:
    assert (format_time(first) < format_time(second)) is (first < second)


@given(
    moment=st.datetimes(
        min_value=datetime(2, 1, 1),  # noqa: DTZ001 - the zone is the other argument
        max_value=datetime(9998, 12, 31),  # noqa: DTZ001
        timezones=ZONES,
    )
)
def test_time_of_any_zone_is_parsed(moment: datetime) -> None:
    assert parse_time(moment.isoformat()) == microseconds(moment)


@given(text=TEXTS | LIKELY)
def test_parsed_time_equals_that_of_the_standard_library(text: str) -> None:
    try:
        at = parse_time(text)
    except BadRequest:
        return

    assert at == microseconds(datetime.fromisoformat(text))


@given(text=LIKELY)
def test_every_time_of_the_standard_library_is_parsed(text: str) -> None:
    try:
        expected = microseconds(datetime.fromisoformat(text))
    except ValueError:
        return
    if not FIRST <= expected <= LAST or ":6" in text[-4:]:
        return

    assert parse_time(text) == expected


@given(text=st.text() | st.text("0123456789-:TZ.+", max_size=30) | TEXTS)
def test_any_text_is_a_time_or_a_bad_request(text: str) -> None:
    try:
        at = parse_time(text)
    except BadRequest:
        return

    assert FIRST <= at <= LAST
