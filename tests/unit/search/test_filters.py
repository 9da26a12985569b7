from datetime import UTC, datetime, time, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.filters import Filters, parse_filters

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)


def parsed(**typed: Any) -> Filters:
    return parse_filters(now=NOW, **typed)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01T22:00", datetime(2026, 5, 1, 22, tzinfo=UTC)),
        ("2026-05-01 22:00:30Z", datetime(2026, 5, 1, 22, 0, 30, tzinfo=UTC)),
        ("2026-05-01T22:00+02:00", datetime(2026, 5, 1, 20, tzinfo=UTC)),
        ("7d", NOW - timedelta(days=7)),
        ("12h", NOW - timedelta(hours=12)),
        ("2w", NOW - timedelta(days=14)),
    ],
)
def test_a_date_is_typed_in_many_ways_and_means_utc(typed: str, meant: datetime) -> None:
    assert parsed(since=typed).since == meant


def test_until_a_day_takes_in_that_day_and_until_a_time_does_not() -> None:
    assert parsed(until="2026-05-01").until == datetime(2026, 5, 2, tzinfo=UTC)
    assert parsed(until="2026-05-01T06:00").until == datetime(2026, 5, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    "typed", ["yesterday", "", "2026-13-01", "7y", "-7d", "9999999d", "999999w", "0001-01-01Z"]
)
def test_what_is_no_date_is_told_with_the_ways_to_type_one(typed: str) -> None:
    with pytest.raises(ValueError, match="is no date; give a date") as told:
        parsed(since=typed)
    assert "\n" not in str(told.value)


def test_a_time_of_day_may_cross_midnight() -> None:
    assert parsed(between="22:00-06:00").between == (time(22), time(6))
    assert parsed(between=" 08:15:30 - 24:00 ").between == (time(8, 15, 30), time(0))


@pytest.mark.parametrize("typed", ["22:00", "22-06", "25:00-06:00", "22:61-23:00", "a-b", "-", "24:01-01:00"])
def test_what_is_no_stretch_of_the_day_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match="give two times like 22:00-06:00"):
        parsed(between=typed)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"limit": 0}, "1 to 1000 results, not 0"),
        ({"limit": 1001}, "1 to 1000 results, not 1001"),
        ({"min_score": 1.5}, "lies in 0..1, not at 1.5"),
        ({"min_score": float("nan")}, "lies in 0..1"),
        ({"since": "2026-05-02", "until": "2026-05-01"}, "--since must come before --until"),
    ],
)
def test_a_bad_value_is_refused_in_one_sentence(typed: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told) as error:
        parsed(**typed)
    assert "\n" not in str(error.value)


def test_a_date_in_code_needs_its_zone() -> None:
    with pytest.raises(ValueError, match="needs its time zone"):
        Filters(since=datetime(2026, 5, 1))
    assert Filters(since=datetime(2026, 5, 1, tzinfo=timezone(timedelta(hours=2)))).dated


def test_nothing_is_limited_by_default() -> None:
    assert not Filters().dated
    assert parsed() == Filters()


@given(st.text(max_size=30), st.sampled_from(["since", "until", "between"]))
def test_any_text_is_a_filter_or_one_clear_sentence(text: str, option: str) -> None:
    try:
        parsed(**{option: text})
    except ValueError as error:
        assert f"--{option}" in str(error)
