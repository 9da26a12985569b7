"""Dates as the tables hold them."""

from __future__ import annotations

from datetime import UTC, date, datetime


def iso(moment: datetime) -> str:
    """UTC, ISO 8601 to the microsecond, with a `Z`: texts that sort as times do.

    Raises ValueError for a time without a zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"a stored time needs its time zone: {moment.isoformat()}")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def iso_date(recorded: date) -> str:
    """A time as `iso` writes it, or a date that has no time of day as "2026-05-01"."""
    return iso(recorded) if isinstance(recorded, datetime) else recorded.isoformat()


def stored_date(text: str) -> date:
    """What `iso_date` wrote: a datetime, or a date that has no time of day."""
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def now() -> str:
    """The time now, as `iso` writes it."""
    return iso(datetime.now(UTC))
