"""One video's jobs, done as far as they go: segments read, looked at, and committed one by one.

A segment is committed whole or stays pending; whatever goes wrong with one is kept with the attempt and does
not stop the next. Two attempts that failed put the job in quarantine.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from engines.contract import Engine
from grounding.errors import EngineError, MediaError, StorageError
from grounding.evidence import Span
from grounding.plain import counted
from indexer.answering import Answered, answer_ahead
from indexer.damage import told_cut_off
from indexer.embedding import Remembering
from indexer.identity import Stamp, check_unchanged
from indexer.pipeline import as_asked, rows_of
from indexer.reading import Cut, cut, plan, read_ahead
from indexer.report import shown
from indexer.stopping import Stop, Stopped
from indexer.timing import Stopwatch
from storage import (
    Database,
    Driver,
    Lease,
    LeaseLost,
    commit_segment,
    next_job,
    quarantine_job,
    record_attempt,
)
from storage.leases import is_ours
from storage.rows import Outcome, PendingJob, PendingSegment, SegmentRows
from video.frames import VideoInfo
from video.probe import probe
from video.stillness import Stillness, stillness

MAX_ATTEMPTS = 2
RETRY = "--retry quarantined tries again"
MAX_FAILURES_IN_A_ROW = 3
"""So many segments of one job that fail one after the other end the attempt: the rest would fail as well."""

log = logging.getLogger(__name__)


@runtime_checkable
class Loadable(Protocol):
    """An engine whose models can be loaded before the first clip."""

    def load(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the work is done with, the same for every video of a run."""

    database: Database
    driver: Driver
    run_id: int
    engine: Engine
    embedder: Remembering
    stopwatch: Stopwatch
    stop: Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A video with jobs that wait, and the path that it is read from."""

    video_id: int
    path: Path
    stamp: Stamp


State = Literal["done", "failed", "quarantined", "stopped", "elsewhere"]
"""How far a task came; "elsewhere" means that another driver is at it, or has done it meanwhile."""


@dataclass(slots=True, kw_only=True)
class Done:
    """What became of a task. `windows` are those committed now.

    `reason` is None when all went well; `note` is what the user should know also then.
    """

    state: State = "done"
    reason: str | None = None
    note: str | None = None
    windows: list[Span] = field(default_factory=list)
    moments: int = 0


@dataclass(slots=True, kw_only=True)
class _Attempt:
    """One try at one job, as it goes."""

    job: PendingJob
    lease: Lease
    task: Task
    started_at: datetime
    started: float
    num_committed: int = 0
    failures: list[str] = field(default_factory=list)
    failed_in_a_row: int = 0
    lost: str | None = None  # why the file is no longer the one that was planned

    @property
    def is_hopeless(self) -> bool:
        return self.lost is not None or self.failed_in_a_row >= MAX_FAILURES_IN_A_ROW


class Worker:
    """Does tasks one after the other with the same tools."""

    def __init__(self, tools: Tools, *, told: Callable[[Task, Span], None]) -> None:
        """`told` is called once a segment, committed or failed, with its window."""
        self._tools = tools
        self._told = told
        self._is_loaded = False

    def do(self, task: Task, done: Done) -> None:
        """Do every job of a task that is left, oldest first; what happens is kept in `done`.

        Raises StorageError when the database can't go on, and `Stopped`; whatever else goes wrong is told.
        """
        lease = self._claimed(task)
        if lease is None:
            owner = self._tools.driver.owner_of(video_id=task.video_id, run_id=self._tools.run_id)
            how = "has done it meanwhile" if owner is None else f"({owner}) is at it"
            done.state, done.reason = "elsewhere", f"another proofreel {how}"
        while lease is not None:
            try:
                self._do_job(task, lease, done)
            finally:
                self._tools.driver.release(lease)
            lease = self._claimed(task) if done.state in ("done", "quarantined") else None

    def _claimed(self, task: Task) -> Lease | None:
        """The oldest job of a task that waits and that no other driver has."""
        leases = self._tools.driver.claim(run_id=self._tools.run_id, video_ids=[task.video_id])
        return leases[0] if leases else None

    def _do_job(self, task: Task, lease: Lease, done: Done) -> None:
        try:
            info, still = self._examined(task)
        except Exception as error:
            # No attempt is charged: the fault is this path's (gone, changed), not the content's.
            done.state, done.reason = "failed", _reason(error)
            return
        done.note = _cut_off(info)
        job = self._next_job(task, lease, info, still, done=done)
        if job is not None:
            attempt = _Attempt(
                job=job, lease=lease, task=task, started_at=datetime.now(UTC), started=time.perf_counter()
            )
            self._try(attempt, info=info, still=still, done=done)

    def _examined(self, task: Task) -> tuple[VideoInfo, Stillness]:
        with self._tools.stop.at_once(), self._tools.stopwatch.on("probe"):
            info = probe(task.path)
            check_unchanged(task.path, task.stamp)
            return info, stillness(info) if self._tools.engine.spec.skip_still else Stillness()

    def _next_job(
        self, task: Task, lease: Lease, info: VideoInfo, still: Stillness, *, done: Done
    ) -> PendingJob | None:
        try:
            windows = cut(info, self._tools.engine.spec, still=still)
            return self._tools.database.write(
                lambda session: next_job(
                    session,
                    video_id=task.video_id,
                    run_id=self._tools.run_id,
                    windows=windows,
                    lease=lease,
                )
            )
        except LeaseLost as error:
            done.state, done.reason = "elsewhere", str(error)
            return None
        except StorageError:
            raise
        except Exception as error:  # nothing was tried yet that could be charged
            done.state, done.reason = "failed", _reason(error)
            return None

    def _try(self, attempt: _Attempt, *, info: VideoInfo, still: Stillness, done: Done) -> None:
        windows = [segment.window for segment in attempt.job.segments]
        try:
            cuts = plan(info, windows, spec=self._tools.engine.spec, still=still)
        except Exception as error:
            attempt.failures.append(_reason(error))
            self._give_up(attempt, done)
            return
        try:
            complete = self._do_segments(attempt, cuts, done=done)
        except Stopped:
            self._record(attempt, "interrupted")
            raise
        if attempt.lost is not None:
            done.state, done.reason = "failed", attempt.lost
            self._record(attempt, "lost", reason=attempt.lost)
        elif attempt.failures:
            self._give_up(attempt, done)
        elif complete:
            self._record(attempt, "done")
        else:
            done.state = "stopped"
            self._record(attempt, "interrupted")

    def _do_segments(self, attempt: _Attempt, cuts: Sequence[Cut], *, done: Done) -> bool:
        """Whether every segment was tried."""
        questions = [as_asked(question) for question in attempt.job.questions]
        with read_ahead(attempt.task.path, cuts, spec=self._tools.engine.spec) as readings:
            self._load_engine()  # while the first window is decoded
            answers = answer_ahead(
                readings, questions, engine=self._tools.engine, stopwatch=self._tools.stopwatch
            )
            with closing(answers):
                for segment in attempt.job.segments:
                    if self._tools.stop.reason() or attempt.is_hopeless:
                        return False
                    self._do_segment(segment, next(answers), attempt=attempt, done=done)
        return True

    def _load_engine(self) -> None:
        """Before the first clip: a missing model is no video's fault, and is raised as it is."""
        engine = self._tools.engine
        if not self._is_loaded and isinstance(engine, Loadable):
            with self._tools.stop.at_once(), self._tools.stopwatch.on("load"):
                engine.load()
        self._is_loaded = True

    def _do_segment(
        self, segment: PendingSegment, answered: Answered, *, attempt: _Attempt, done: Done
    ) -> None:
        self._tools.stopwatch.add("read", answered.reading.cost_s)
        started = time.perf_counter()
        facts = {"job": attempt.job.id, "video": attempt.job.video_id, "segment": segment.position}
        try:
            # What was decoded belongs to this video only if the file is still the one that was hashed.
            check_unchanged(attempt.task.path, attempt.task.stamp)
        except MediaError as error:
            attempt.lost = error.reason
            return
        try:
            rows = self._rows(answered, attempt)
            with self._tools.stopwatch.on("write"):
                self._tools.database.write(
                    lambda session: commit_segment(session, segment.id, rows, lease=attempt.lease)
                )
        except LeaseLost as error:
            attempt.lost = str(error)
            return
        except StorageError:
            raise
        except Exception as error:
            attempt.failures.append(f"at {segment.window.start_s:.1f} s: {_reason(error)}")
            attempt.failed_in_a_row += 1
            log.info("segment", extra={**facts, "outcome": "raised"}, exc_info=error)
        else:
            attempt.num_committed += 1
            attempt.failed_in_a_row = 0
            done.windows.append(segment.window)
            done.moments += sum(len(answer.moments) for answer in rows.answers)
            cost_s = answered.reading.cost_s + time.perf_counter() - started
            log.debug("segment", extra={**facts, "outcome": "done", "cost_s": round(cost_s, 4)})
        self._told(attempt.task, segment.window)

    def _rows(self, answered: Answered, attempt: _Attempt) -> SegmentRows:
        if answered.error is not None:
            raise answered.error
        assert answered.reading.clip is not None
        return rows_of(
            answered.reading.clip,
            answered.pairs,
            attempt.job.questions,
            spec=self._tools.engine.spec,
            embedder=self._tools.embedder,
            stopwatch=self._tools.stopwatch,
        )

    def _give_up(self, attempt: _Attempt, done: Done) -> None:
        """Keep why the attempt failed; the last one allowed puts the job in quarantine."""
        first, more = attempt.failures[0], len(attempt.failures) - 1
        reason = f"{first} (and {more} more)" if more else first
        charged = self._record(attempt, "raised", reason=reason)
        if charged < MAX_ATTEMPTS:
            done.state, done.reason = "failed", f"{reason}; run the same command again to retry"
        else:
            done.state = "quarantined"
            done.reason = f"in quarantine after {counted(charged, 'attempt')}: {reason}; {RETRY}"

    def _record(self, attempt: _Attempt, outcome: Outcome, *, reason: str | None = None) -> int:
        """Store how the attempt ended, in quarantine when it was one too many; gives how many count."""
        cost_s = time.perf_counter() - attempt.started
        job = attempt.job
        with self._tools.database.writing() as session:
            if outcome == "raised" and not is_ours(session, attempt.lease):
                outcome = "lost"  # another driver has the job, and its own attempt
            charged = record_attempt(
                session, job.id, outcome=outcome, started_at=attempt.started_at, cost_s=cost_s, reason=reason
            )
            if outcome == "raised" and charged >= MAX_ATTEMPTS:
                quarantine_job(session, job.id, reason=reason or "")
        facts = {"job": job.id, "video": job.video_id, "outcome": outcome, "cost_s": round(cost_s, 3)}
        how_far = {"segments": attempt.num_committed, "segments_wanted": len(job.segments)}
        log.info("job", extra={**facts, **how_far, "file": shown(attempt.task.path), "reason": reason})
        return charged


def _cut_off(info: VideoInfo) -> str | None:
    """What is said of a file whose header lists frames beyond its end."""
    return told_cut_off(info.missing_s) if info.missing_s > 0 else None


def _reason(error: Exception) -> str:
    """What went wrong, without the path, which stands beside it."""
    if isinstance(error, MediaError):
        return error.reason
    return str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
