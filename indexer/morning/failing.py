"""What failed between two times, each file or job with the one sentence that explains it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.clock import iso
from storage.nights import NightRow
from storage.paths import text_to_path
from storage.rows import CHARGED
from storage.schema import Attempt, File, Job

LOST_REASON = "it ended without a reason"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A file, or a night as a whole (`path` is None), and why it failed."""

    path: Path | None
    reason: str


def failures(
    session: Session, nights: Sequence[NightRow], *, since: datetime, until: datetime
) -> Iterator[Failure]:
    """What was wrong with the nights themselves, then each file once, as the last night told it.

    A night that was killed told nothing: there the tries at its jobs say what had failed by then.
    """
    for night in nights:
        if night.end is not None and night.end.fault is not None:
            yield Failure(path=None, reason=night.end.fault)
    reasons = dict(_of_attempts(session, since=since, until=until))
    for night in nights:
        if night.end is not None:
            reasons |= {path: reason for path, reason in night.end.failures}
    indexed = _mended(session, reasons, since=since, until=until)
    for text in sorted(reasons.keys() - indexed):
        yield Failure(path=Path(text_to_path(text)), reason=reasons[text] or LOST_REASON)


def _of_attempts(session: Session, *, since: datetime, until: datetime) -> Iterator[tuple[str, str]]:
    rows = session.execute(
        select(File.path, Attempt.reason)
        .join(Job, Job.id == Attempt.job_id)
        .join(File, File.video_id == Job.video_id)
        .where(
            Attempt.outcome.in_(CHARGED), Attempt.started_at >= iso(since), Attempt.started_at < iso(until)
        )
        .order_by(Attempt.id, File.missing_since.is_(None), File.id.desc())
    )
    for path, reason in rows:
        yield path, reason or LOST_REASON


def _mended(session: Session, reasons: dict[str, str], *, since: datetime, until: datetime) -> set[str]:
    """Of the paths, those whose video is done after all: a later try in this time went well."""
    last: dict[str, tuple[str, str]] = {}
    rows = session.execute(
        select(File.path, Attempt.outcome, Job.state)
        .join(Job, Job.id == Attempt.job_id)
        .join(File, File.video_id == Job.video_id)
        .where(Attempt.started_at >= iso(since), Attempt.started_at < iso(until))
        .order_by(Attempt.id)
    )
    for path, outcome, state in rows:
        if path in reasons:
            last[path] = (outcome, state)
    return {path for path, told in last.items() if told == ("done", "done")}
