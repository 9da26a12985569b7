"""The log of the nights: one row a call of `index`, begun before the first file is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.orm import Session

from storage.clock import iso, now
from storage.schema import Night, Segment
from storage.text import storable


@dataclass(frozen=True, slots=True, kw_only=True)
class NightEnd:
    """What a night did. Seconds: `video_s` of video that was looked at, `cpu_s` of all processors, `spent_s`
    of wall time by stage; `files` counts them by status; `failures` are (path as text, reason).
    """

    ending: str
    fault: str | None
    files: Mapping[str, int]
    failures: Sequence[tuple[str, str]]
    video_s: float
    cpu_s: float
    spent_s: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class NightRow:
    """A night as it stands in the log. `ended_at` is None while it runs, and for ever where it was killed.

    `last_commit_at` is when the last segment was kept of one without an end, None where none was.
    """

    id: int
    library: str
    started_at: datetime
    ended_at: datetime | None
    last_commit_at: datetime | None
    engine: str | None
    device: str | None
    end: NightEnd | None


def begin_night(session: Session, *, library: str) -> int:
    """Write down that a night begins; gives its id."""
    values = {"library": storable(library), "started_at": now()}
    return session.execute(insert(Night).returning(Night.id), values).scalar_one()


def name_engine(session: Session, night_id: int, *, engine: str, device: str) -> None:
    """Write down what a night looks with, and on what it runs ("cpu", "cuda")."""
    session.execute(update(Night).where(Night.id == night_id).values(engine=engine, device=device))


def end_night(session: Session, night_id: int, end: NightEnd) -> None:
    """Write down what a night did."""
    session.execute(
        update(Night)
        .where(Night.id == night_id)
        .values(
            ended_at=now(),
            ending=end.ending,
            fault=None if end.fault is None else storable(end.fault),
            files=dict(end.files),
            failures=[[path, storable(reason)] for path, reason in end.failures],
            video_s=end.video_s,
            cpu_s=end.cpu_s,
            spent_s=dict(end.spent_s),
        )
    )


def nights_between(session: Session, since: datetime, until: datetime) -> list[NightRow]:
    """Every night of which a part lies within [since, until), oldest first; one that was killed is known by
    its start and by what it kept.
    """
    rows = session.scalars(
        select(Night)
        .where(Night.started_at < iso(until), or_(Night.ended_at.is_(None), Night.ended_at > iso(since)))
        .order_by(Night.id)
    )
    found = [_night(session, night) for night in rows]
    return [night for night in found if (night.ended_at or night.last_commit_at or night.started_at) >= since]


def _night(session: Session, night: Night) -> NightRow:
    last = _last_commit(session, night) if night.ended_at is None else None
    return NightRow(
        id=night.id,
        library=night.library,
        started_at=datetime.fromisoformat(night.started_at),
        ended_at=None if night.ended_at is None else datetime.fromisoformat(night.ended_at),
        last_commit_at=None if last is None else datetime.fromisoformat(last),
        engine=night.engine,
        device=night.device,
        end=None if night.ended_at is None else _end(night),
    )


def _last_commit(session: Session, night: Night) -> str | None:
    """When a segment was last kept before the next night began."""
    next_at = session.scalar(select(func.min(Night.started_at)).where(Night.id > night.id))
    commits = select(func.max(Segment.committed_at)).where(Segment.committed_at >= night.started_at)
    return session.scalar(commits if next_at is None else commits.where(Segment.committed_at <= next_at))


def _end(night: Night) -> NightEnd:
    files: dict[str, Any] = night.files or {}
    return NightEnd(
        ending=night.ending or "",
        fault=night.fault,
        files=files,
        failures=[(path, reason) for path, reason in night.failures or ()],
        video_s=night.video_s or 0.0,
        cpu_s=night.cpu_s or 0.0,
        spent_s=night.spent_s or {},
    )
