"""What a search is limited to, and how such limits are typed.

Dates are UTC and mean the moment's own date: the recording date that the file names plus the time in the
file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

MOST_RESULTS = 1_000

_RELATIVE = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_DATES = (
    "a date (2026-05-01), a date and time (2026-05-01T22:00, UTC unless it names a zone) or an age (7d, 12h)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Limits of a search; the defaults limit nothing but the number of results.

    `labels`: a moment needs a claim about any of them. `since` and `until` (half open) and `between` (times
    of day, over midnight when the first is the later one; both the same means the whole day) are UTC and
    leave out videos that name no recording date, `between` also those that name no time of day with it.
    `min_score` 0..1 compares within one query only.
    """

    library: str | None = None
    labels: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    between: tuple[time, time] | None = None
    min_score: float = 0.0
    limit: int = 10

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MOST_RESULTS:
            raise ValueError(f"a search gives 1 to {MOST_RESULTS} results, not {self.limit}; change --limit")
        if not (math.isfinite(self.min_score) and 0.0 <= self.min_score <= 1.0):
            raise ValueError(f"a score lies in 0..1, not at {self.min_score}; change --min-score")
        for date in (self.since, self.until):
            if date is not None and date.tzinfo is None:
                raise ValueError(f"a date needs its time zone: {date.isoformat()}")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError(
                f"no time lies between {_shown(self.since)} and {_shown(self.until)}; "
                "--since must come before --until"
            )

    @property
    def dated(self) -> bool:
        """Whether the moment's date matters."""
        return self.since is not None or self.until is not None or self.between is not None


def parse_filters(
    *,
    now: datetime,
    library: str | None = None,
    labels: Sequence[str] = (),
    since: str | None = None,
    until: str | None = None,
    between: str | None = None,
    min_score: float = 0.0,
    limit: int = 10,
) -> Filters:
    """Filters as typed. `until` a date means up to the end of that day. Raises ValueError for a bad value."""
    return Filters(
        library=library,
        labels=tuple(labels),
        since=None if since is None else _date(since, option="--since", now=now),
        until=None if until is None else _date(until, option="--until", now=now, end_of_day=True),
        between=None if between is None else _times_of_day(between),
        min_score=min_score,
        limit=limit,
    )


def _date(text: str, *, option: str, now: datetime, end_of_day: bool = False) -> datetime:
    typed = text.strip()
    try:
        if relative := _RELATIVE.fullmatch(typed):
            return now.astimezone(UTC) - timedelta(**{_UNITS[relative[2]]: int(relative[1])})
        date = datetime.fromisoformat(typed)
        whole_day = end_of_day and len(typed) <= len("2026-05-01")
        date += timedelta(days=1 if whole_day else 0)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{option} {typed[:40]!r} is no date; give {_DATES}") from None


def _times_of_day(text: str) -> tuple[time, time]:
    first, _, last = text.strip().partition("-")
    try:
        return _time_of_day(first), _time_of_day(last)
    except ValueError:
        raise ValueError(
            f"--between {text.strip()[:40]!r} is no stretch of the day; give two times like 22:00-06:00 (UTC)"
        ) from None


def _time_of_day(text: str) -> time:
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if (hour, minute, second) == (24, 0, 0):
        return time(0)
    return time(hour, minute, second)


def _shown(date: datetime) -> str:
    return f"{date.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
