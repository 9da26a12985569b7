"""What is open in a night: a task that was begun, an order that is with a worker, and how its end is told."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from grounding.evidence import Span
from grounding.plain import counted
from indexer.attempts import MAX_ATTEMPTS, Attempt, Chunk
from indexer.crew import TimedOut
from indexer.executors import Died, Raised
from indexer.tasks import Fate, Task
from storage import Lease
from storage.rows import Outcome, PendingSegment

RETRY = "--retry quarantined tries again"
AGAIN = "run the same command again to retry"


@dataclass(slots=True, kw_only=True, eq=False)
class Case:
    """A task that was begun, with the job of it that is ours. `windows` is how the file is cut, once it is
    known.
    """

    task: Task
    fate: Fate
    lease: Lease | None
    windows: tuple[Span, ...] = ()
    attempt: Attempt | None = None
    num_losses: int = 0
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(slots=True, kw_only=True, eq=False)
class Out:
    """An order that is with a worker: for `chunk` of the case's attempt, or to examine the file (None)."""

    case: Case
    chunk: Chunk | None
    left: dict[int, PendingSegment]
    given: float = field(default_factory=time.monotonic)
    since: float = field(default_factory=time.monotonic)  # the last piece


def facts(out: Out, segment: PendingSegment) -> dict[str, object]:
    """What the log tells of a segment whose piece has come. `cost_s` is wall time since the one before."""
    assert out.case.attempt is not None
    job = out.case.attempt.job
    cost_s = round(time.monotonic() - out.since, 4)
    return {"job": job.id, "video": job.video_id, "segment": segment.position, "cost_s": cost_s}


def as_outcome(event: Raised | Died | TimedOut) -> tuple[Outcome, str]:
    if isinstance(event, Raised):
        return "raised", f"{type(event.error).__name__}: {event.error}"
    return ("died" if isinstance(event, Died) else "timed_out"), event.reason


def tell(fate: Fate, reason: str, *, charged: int) -> None:
    """Say in `fate` that an attempt failed, and what comes next when so many count."""
    if charged < MAX_ATTEMPTS:
        fate.state, fate.reason = "failed", f"{reason}; {AGAIN}"
    else:
        fate.state = "quarantined"
        fate.reason = f"in quarantine after {counted(charged, 'attempt')}: {reason}; {RETRY}"
