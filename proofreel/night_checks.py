"""What a night needs of a home besides room: to be written, a clock that goes forward, nobody else in it."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from grounding.errors import StorageError, printable
from proofreel.check import Check

CLOCK_TOLERANCE = timedelta(minutes=1)
LAST_NIGHT_REACH = timedelta(days=31)


def night_checks(home: Path) -> list[Check]:
    """Whether an `index` could start now in `home`, and how the last one ended. Nothing is left behind."""
    checks = [_writable(home)]
    if (home / "proofreel.db").exists():
        checks.append(_lock(home))
        with suppress(StorageError):  # that the database can't be used is told by its own check
            checks += [_clock(home), _last_night(home)]
    return checks


def _writable(home: Path) -> Check:
    """By trying: neither mode bits nor `os.access` tell the truth for root or a read-only mount."""
    there = next(d for d in (home.absolute(), *home.absolute().parents) if d.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".writable-") as probe:
            os.fsync(probe.fileno())
    except OSError as error:
        return Check(
            name="writing",
            status="problem",
            found=f"{printable(there)} can't be written ({error.strerror})",
            advice="make it writable for the user that runs index, or give another --home",
        )
    return Check(name="writing", status="ok", found=f"{printable(there)} can be written")


def _lock(home: Path) -> Check:
    from storage.lock import holder

    process = holder(home)
    if process is None:
        return Check(name="lock", status="ok", found="free; an index can start")
    return Check(name="lock", status="ok", found=f"held by process {process}: an index is running")


def _clock(home: Path) -> Check:
    newest = _newest(home)
    now = datetime.now(UTC)
    if newest is not None and newest > now + CLOCK_TOLERANCE:
        return Check(
            name="clock",
            status="problem",
            found=f"it says {now:%Y-%m-%d %H:%M}, and the home was written at {newest:%Y-%m-%d %H:%M} (UTC)",
            advice="set it right (timedatectl set-ntp true), or nights come in the wrong order",
        )
    return Check(name="clock", status="ok", found=f"{now:%Y-%m-%d %H:%M} UTC, after all that is stored")


def _newest(home: Path) -> datetime | None:
    """The latest time that the database holds."""
    from sqlalchemy import func, select

    from storage import Database
    from storage.schema import Attempt, File, Night, Segment

    columns = (Segment.committed_at, Attempt.started_at, File.seen_at, Night.started_at, Night.ended_at)
    with Database.open(home) as database, database.reading() as session:
        found = [session.scalar(select(func.max(column))) for column in columns]
    return max((datetime.fromisoformat(text) for text in found if text), default=None)


def _last_night(home: Path) -> Check:
    from indexer.morning.collecting import told_nights
    from storage import Database
    from storage.lock import holder
    from storage.nights import nights_between

    now = datetime.now(UTC)
    with Database.open(home) as database, database.reading() as session:
        nights = nights_between(session, now - LAST_NIGHT_REACH, now + LAST_NIGHT_REACH)
    told = told_nights(nights, is_running=holder(home) is not None, until=now)
    if not told:
        return Check(name="last night", status="optional", found="no index has run of late")
    last = told[-1]
    when = f"{last.ended_at.astimezone():%Y-%m-%d %H:%M}"
    if last.ending in ("failed", "killed"):
        return Check(
            name="last night",
            status="problem",
            found=f"{last.ending} at {when}" + (f": {last.fault}" if last.fault else ""),
            advice="run the same index again; it goes on where it was",
        )
    return Check(name="last night", status="ok", found=f"{last.ending} at {when}")
