"""The morning report: what the nights between two times did, what they found, what failed, what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from grounding.evidence import Span
from indexer.merging import join
from indexer.morning.failing import Failure, failures
from indexer.morning.findings import Hits, hits_by_question
from storage import Database
from storage.clock import iso
from storage.lock import holder
from storage.nights import NightRow, nights_between
from storage.partition import States, states
from storage.reports import covered_s, stretches_done_between, stretches_to_do
from storage.schema import Attempt

DEFAULT_REACH = timedelta(hours=24)
SPEED_REACH = timedelta(days=7)
"""Where nothing was looked at in the time of a report, its speed is that of so long before its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NightTold:
    """One call of `index`. `ended_at` of one that was killed is when it kept its last segment.

    `ending`: complete, interrupted, until, failed, killed, running.
    """

    library: str
    engine: str | None
    device: str | None
    started_at: datetime
    ended_at: datetime
    ending: str
    fault: str | None
    files: dict[str, int]

    @property
    def is_idle(self) -> bool:
        """Whether it came to its end with nothing to do: `watch`, and a timer at noon, make many of these."""
        return self.ending == "complete" and not {"indexed", "failed"} & self.files.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What it took. `stages_s`: wall seconds by stage, which run beside each other; `cpu_s` and `gpu_s`:
    seconds of all processors, and those for which the engine held a GPU, of the nights that came to an end.
    `attempts`: how many tries at jobs ended how, and the wall seconds that each kind took.
    """

    cpu_s: float
    gpu_s: float
    stages_s: dict[str, float]
    attempts: dict[str, tuple[int, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What is left: seconds of video, and how long that takes at the measured speed (x real time), or None
    where nothing was measured.
    """

    pending_s: float
    speed: float | None

    @property
    def eta_s(self) -> float | None:
        """Seconds of indexing until nothing waits."""
        return None if not self.speed else self.pending_s / self.speed


@dataclass(frozen=True, slots=True, kw_only=True)
class Morning:
    """The report on [since, until). `video_s`: seconds looked at, each once; `wall_s`: of indexing.

    `by_hour`: seconds of video done in each hour of the time, from `since` on.
    """

    home: Path
    since: datetime
    until: datetime
    nights: tuple[NightTold, ...]
    video_s: float
    wall_s: float
    by_hour: tuple[tuple[datetime, float], ...] = field(repr=False)
    hits: tuple[Hits, ...]
    failures: tuple[Failure, ...] = field(repr=False)
    cost: Cost
    backlog: Backlog
    states: States

    @property
    def by_severity(self) -> dict[str, int]:
        """How many moments of each severity were found, the gravest first; {} where nothing has one."""
        graded = [hits for hits in self.hits if hits.severity is not None]
        return {
            severity: sum(hits.moments for hits in graded if hits.severity == severity)
            for severity in dict.fromkeys(hits.severity for hits in graded)
            if severity is not None
        }

    @property
    def times_real(self) -> float | None:
        """Seconds of video a second of indexing; None where nothing ran."""
        return self.video_s / self.wall_s if self.wall_s > 0 else None


def morning(home: Path, *, since: datetime, until: datetime) -> Morning:
    """Read the report of `home`. Raises StorageError where there is no index."""
    with Database.open(home) as database, database.reading() as session:
        nights = nights_between(session, since, until)
        is_running = holder(home) is not None
        told = told_nights(nights, is_running=is_running, until=until)
        video_s = covered_s(stretches_done_between(session, since, until))
        wall_s = _wall_s(told, since=since, until=until)
        return Morning(
            home=home,
            since=since,
            until=until,
            nights=told,
            video_s=video_s,
            wall_s=wall_s,
            by_hour=tuple(_by_hour(session, told, since=since, until=until)),
            hits=tuple(hits_by_question(session, since, until)),
            failures=tuple(failures(session, nights, since=since, until=until)),
            cost=_cost(session, nights, since=since, until=until),
            backlog=Backlog(
                pending_s=covered_s(stretches_to_do(session)),
                speed=video_s / wall_s if video_s and wall_s else _speed_before(session, until, is_running),
            ),
            states=states(session),
        )


def told_nights(nights: Sequence[NightRow], *, is_running: bool, until: datetime) -> tuple[NightTold, ...]:
    """The nights with how each ended; only the last one can still be running."""
    found = []
    for night in nights:
        running = night.end is None and is_running and night is nights[-1]
        ended_at = night.ended_at or (until if running else night.last_commit_at or night.started_at)
        found.append(
            NightTold(
                library=night.library,
                engine=night.engine,
                device=night.device,
                started_at=night.started_at,
                ended_at=max(ended_at, night.started_at),
                ending=night.end.ending if night.end else "running" if running else "killed",
                fault=night.end.fault if night.end else None,
                files=dict(night.end.files) if night.end else {},
            )
        )
    return tuple(found)


def _wall_s(nights: Sequence[NightTold], *, since: datetime, until: datetime) -> float:
    """Seconds in which anything was indexed; nights of several machines at one time count once."""
    spans = []
    for night in nights:
        first, last = max(night.started_at, since), min(night.ended_at, until)
        if first < last:
            spans.append(Span(first.timestamp(), last.timestamp()))
    return sum(span.end_s - span.start_s for span in join(spans, gap_s=0.0))


def _speed_before(session: Session, until: datetime, is_running: bool) -> float | None:
    since = until - SPEED_REACH
    nights = told_nights(nights_between(session, since, until), is_running=is_running, until=until)
    wall_s = _wall_s(nights, since=since, until=until)
    video_s = covered_s(stretches_done_between(session, since, until))
    return video_s / wall_s if video_s and wall_s else None


def _by_hour(
    session: Session, nights: Sequence[NightTold], *, since: datetime, until: datetime
) -> list[tuple[datetime, float]]:
    """From the hour of the first night's start to that of the last one's end."""
    if not nights:
        return []
    first = max(since, min(n.started_at for n in nights)).replace(minute=0, second=0, microsecond=0)
    last = min(until, max(n.ended_at for n in nights))
    hours = []
    while first <= last:
        after = first + timedelta(hours=1)
        done = stretches_done_between(session, max(first, since), min(after, until))
        hours.append((first, covered_s(done)))
        first = after
    return hours


def _cost(session: Session, nights: Sequence[NightRow], *, since: datetime, until: datetime) -> Cost:
    stages: Counter[str] = Counter()
    cpu_s = gpu_s = 0.0
    for night in nights:
        if night.end is not None:
            cpu_s += night.end.cpu_s
            stages.update(night.end.spent_s)
            gpu_s += night.end.spent_s.get("engine", 0.0) if night.device == "cuda" else 0.0
    count: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    tries = select(Attempt.outcome, Attempt.cost_s).where(
        Attempt.started_at >= iso(since), Attempt.started_at < iso(until), Attempt.outcome != "retry"
    )
    for outcome, cost_s in session.execute(tries):
        count[outcome] += 1
        seconds[outcome] += cost_s  # type: ignore[assignment]
    return Cost(
        cpu_s=cpu_s,
        gpu_s=gpu_s,
        stages_s={stage: float(spent) for stage, spent in stages.most_common()},
        attempts={outcome: (count[outcome], float(seconds[outcome])) for outcome in sorted(count)},
    )
