"""One try at one job, as it goes, and how it is put on record: the one place where an attempt is charged."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

from indexer.report import shown
from indexer.tasks import Task
from storage import Database, Lease, quarantine_job, record_attempt
from storage.faults import point
from storage.leases import is_ours
from storage.rows import CHARGED, Outcome, PendingJob, PendingSegment

MAX_ATTEMPTS = 2
CHUNK_S = 20 * 60.0
"""A longer job is cut into parts that several workers can take."""

LEAST_CHUNK_S = 60.0
"""A shorter part is not worth opening the file once more."""

log = logging.getLogger(__name__)

Chunk = tuple[PendingSegment, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class Attempt:
    """A try at `job`, ours by `lease`. `waiting` is what no worker has; `num_out` orders are with workers.

    `failures` are charged, as `outcome`; `lost` says why the file is no longer the one that was planned.
    """

    job: PendingJob
    lease: Lease
    task: Task
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    waiting: deque[Chunk] = field(default_factory=deque)
    num_out: int = 0
    num_losses: int = 0
    num_committed: int = 0
    cost_s: float = 0.0
    failures: list[str] = field(default_factory=list)
    outcome: Outcome = "raised"
    lost: str | None = None
    is_hopeless: bool = False
    is_cut_short: bool = False  # by the run's end

    @property
    def is_over(self) -> bool:
        return not self.waiting and not self.num_out

    def give_up(self, reason: str, *, outcome: Outcome) -> None:
        """Nothing more is begun; the attempt will be charged for `reason`."""
        self.failures.append(reason)
        self.outcome = outcome
        self.is_hopeless = True
        self.waiting.clear()

    def lose(self, reason: str) -> None:
        """Nothing more is begun; nobody is charged."""
        self.lost = reason
        self.is_hopeless = True
        self.waiting.clear()

    def cut_short(self) -> None:
        """Nothing more is begun, because the run ends."""
        self.is_cut_short |= bool(self.waiting)
        self.waiting.clear()

    @property
    def reason(self) -> str:
        first, more = self.failures[0], len(self.failures) - 1
        return f"{first} (and {more} more)" if more else first


def chunks(segments: tuple[PendingSegment, ...], *, shares: int) -> deque[Chunk]:
    """Neighbouring segments for one order each: CHUNK_S of video at most, and less where `shares` workers
    would else have nothing to do.
    """
    total_s = sum(segment.window.end_s - segment.window.start_s for segment in segments)
    most_s = min(CHUNK_S, max(total_s / shares, LEAST_CHUNK_S))
    parts: deque[Chunk] = deque()
    part: list[PendingSegment] = []
    for segment in segments:
        if part and segment.window.end_s - part[0].window.start_s > most_s:
            parts.append(tuple(part))
            part = []
        part.append(segment)
    if part:
        parts.append(tuple(part))
    return parts


def put_on_record(
    database: Database, attempt: Attempt, *, outcome: Outcome, reason: str | None = None
) -> int:
    """Store how the attempt ended, in quarantine when it was one too many; gives how many count."""
    job = attempt.job
    charged = charge(
        database,
        attempt.lease,
        outcome=outcome,
        started_at=attempt.started_at,
        cost_s=attempt.cost_s,
        reason=reason,
    )
    facts = {"job": job.id, "video": job.video_id, "outcome": outcome, "cost_s": round(attempt.cost_s, 3)}
    how_far = {"segments": attempt.num_committed, "segments_wanted": len(job.segments)}
    log.info("job", extra={**facts, **how_far, "file": shown(attempt.task.path), "reason": reason})
    return charged


def charge(
    database: Database,
    lease: Lease,
    *,
    outcome: Outcome,
    started_at: datetime,
    cost_s: float,
    reason: str | None,
) -> int:
    """Store an attempt; the last one that is allowed puts the job in quarantine. Gives how many count."""
    job_id = lease.job_id
    with database.writing() as session:
        if outcome in CHARGED and not is_ours(session, lease):
            outcome = "lost"  # another driver has the job, and its own attempt
        charged = record_attempt(
            session, job_id, outcome=outcome, started_at=started_at, cost_s=cost_s, reason=reason
        )
        if outcome in CHARGED and charged >= MAX_ATTEMPTS:
            quarantine_job(session, job_id, reason=reason or "")
        point("attempt:before-commit")
    point("attempt:after-commit")
    return charged
