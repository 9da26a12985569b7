"""The time that a report is about, as typed."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from indexer.morning.collecting import DEFAULT_REACH

_AGO = re.compile(r"(\d{1,5})\s*([hd])", re.IGNORECASE)
_UNITS = {"h": "hours", "d": "days"}
ALLOWED = "a date (2026-11-26), a time (2026-11-26T18:00, by this machine's clock) or how long ago (12h, 7d)"


def between(since: str | None, until: str | None, *, now: datetime) -> tuple[datetime, datetime]:
    """The time from `since` to `until`, by default the last 24 hours. `until` a date includes that day.

    Raises ValueError for what is no time, and when nothing lies between the two.
    """
    last = now if until is None else _time(until, option="--until", now=now, end_of_day=True)
    first = last - DEFAULT_REACH if since is None else _time(since, option="--since", now=now)
    if first >= last:
        raise ValueError(f"--since {first:%Y-%m-%d %H:%M} must come before --until {last:%Y-%m-%d %H:%M}")
    return first, last


def _time(text: str, *, option: str, now: datetime, end_of_day: bool = False) -> datetime:
    typed = text.strip()
    try:
        if ago := _AGO.fullmatch(typed):
            return now - timedelta(**{_UNITS[ago[2].lower()]: int(ago[1])})
        found = datetime.fromisoformat(typed).astimezone()
        whole_day = end_of_day and len(typed) <= len("2026-11-26")
        return found + timedelta(days=1 if whole_day else 0)
    except (ValueError, OverflowError):
        raise ValueError(f"{option} {typed[:40]!r} is no time; give {ALLOWED}") from None
