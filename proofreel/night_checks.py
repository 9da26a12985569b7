"""What a night needs of a home besides room: to be written, a clock that goes forward, nobody else in it."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from grounding.errors import StorageError, printable
from proofreel.check import Check

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

CLOCK_TOLERANCE = timedelta(minutes=1)
LAST_NIGHT_REACH = timedelta(days=31)


def night_checks(home: Path, url: str | None) -> list[Check]:
    """Whether an `index` could start now in `home`, and how the last one ended. Nothing is left behind."""
    from storage import Database
    from storage.drivers import who_drives

    checks = [_writable(home)]
    with (
        suppress(StorageError),  # that the database can't be used, or isn't there, is told by its own check
        Database.open(home, url=url) as database,
        database.reading() as session,
    ):
        driver = who_drives(database, session)
        checks += [_lock(driver, alone=not database.is_shared), _clock(session), _last_night(session, driver)]
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


def _lock(driver: str | None, *, alone: bool) -> Check:
    if driver is None:
        return Check(name="lock", status="ok", found="free; an index can start")
    found = f"held by {driver}: an index is running" if alone else f"{driver} at work; another can join"
    return Check(name="lock", status="ok", found=found)


def _clock(session: Session) -> Check:
    newest = _newest(session)
    now = datetime.now(UTC)
    if newest is not None and newest > now + CLOCK_TOLERANCE:
        return Check(
            name="clock",
            status="problem",
            found=f"it says {now:%Y-%m-%d %H:%M}, and the home was written at {newest:%Y-%m-%d %H:%M} (UTC)",
            advice="set it right (timedatectl set-ntp true), or nights come in the wrong order",
        )
    return Check(name="clock", status="ok", found=f"{now:%Y-%m-%d %H:%M} UTC, after all that is stored")


def _newest(session: Session) -> datetime | None:
    """The latest time that the database holds."""
    from sqlalchemy import func, select

    from storage.schema import Attempt, File, Night, Segment

    columns = (Segment.committed_at, Attempt.started_at, File.seen_at, Night.started_at, Night.ended_at)
    found = [session.scalar(select(func.max(column))) for column in columns]
    return max((datetime.fromisoformat(text) for text in found if text), default=None)


def _last_night(session: Session, driver: str | None) -> Check:
    from indexer.morning.collecting import told_nights
    from storage.nights import nights_between

    now = datetime.now(UTC)
    nights = nights_between(session, now - LAST_NIGHT_REACH, now + LAST_NIGHT_REACH)
    told = told_nights(nights, is_running=driver is not None, until=now)
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
