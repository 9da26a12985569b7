"""Dates as the tables hold them."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(moment: datetime) -> str:
    """UTC, ISO 8601 to the microsecond, with a `Z`: texts that sort as times do.

    Raises ValueError for a time without a zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"a stored time needs its time zone: {moment.isoformat()}")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def now() -> str:
    """The time now, as `iso` writes it."""
    return iso(datetime.now(UTC))
