"""Every second of every video in exactly one state: looked at, damaged, pending or skipped.

Of several things that are true of a second the first of these is told: it is damaged; a run whose answers
search shows has looked at it (the latest one is named, and how often); it waits; it was given up or skipped,
with the reason. A second that was looked at for one question and waits for another is looked at here; what
waits in all is `storage.reports.stretches_to_do`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from storage.painting import layered
from storage.reports import in_library, is_hidden, not_begun, replaced
from storage.schema import File, Job, Run, Seen, Segment, Video

State = Literal["looked_at", "damaged", "pending", "skipped"]

_RANK = {"damaged": 0, "sampled": 1, "still": 2, "pending": 3, "given_up": 4, "skipped": 5, "left": 6}
_STATE: dict[str, State] = {"damaged": "damaged", "sampled": "looked_at", "still": "looked_at"}
NOT_LEFT = "no window covers this"
GONE = "the file is gone"

_Key = tuple[int, int, str, str]
"""Rank, minus the run's id (the latest one first), kind, reason."""
_Rows = Select[*tuple[Any, ...]]
_Layers = defaultdict[int, list[tuple[float, float, _Key]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A stretch of a video in one state. `engine` and `rate_hz` (None where the run names none) stand with
    what was looked at, `reason` with what was not.
    """

    start_s: float
    end_s: float
    state: State
    engine: str | None = None
    rate_hz: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """Seconds by state; they add up to the length of all videos."""

    seconds: float
    looked_at_s: dict[tuple[str, float | None], float]
    damaged_s: float
    pending_s: float
    skipped_s: dict[str, float]


def parts(
    session: Session, *, video_id: int | None = None, library_id: int | None = None
) -> Iterator[tuple[int, list[Part]]]:
    """Each video's id and its parts, in order, without gap or overlap from its start to its end."""
    runs = {id: (engine, _rate_hz(config)) for id, engine, config in _runs(session)}
    layers: _Layers = defaultdict(list)
    for layer in (_seen, _waiting, _given_up):
        for video, start_s, end_s, key in layer(session, video_id):
            layers[video].append((start_s, end_s, key))
    query = select(Video.id, Video.start_s, Video.end_s).order_by(Video.id)
    query = query if library_id is None else query.where(in_library(Video.id, library_id))
    gone = _gone(session)
    for video, start_s, end_s in session.execute(_one(query, Video.id, video_id)):
        reason = GONE if video in gone else NOT_LEFT
        bottom: tuple[float, float, _Key] = (start_s, end_s, (_RANK["left"], 0, "left", reason))
        inside = [(max(a, start_s), min(b, end_s), key) for a, b, key in layers.get(video, ())]
        yield video, [_part(a, b, key, runs) for a, b, key in layered([bottom, *inside])]


def states(session: Session, *, library_id: int | None = None) -> States:
    """The sums over all videos, or those of one library."""
    looked_at: Counter[tuple[str, float | None]] = Counter()
    skipped: Counter[str] = Counter()
    others: Counter[State] = Counter()
    seconds = 0.0
    for _, of_video in parts(session, library_id=library_id):
        for part in of_video:
            length_s = part.end_s - part.start_s
            seconds += length_s
            if part.state == "looked_at":
                looked_at[part.engine or "", part.rate_hz] += length_s  # type: ignore[assignment]
            elif part.state == "skipped":
                skipped[part.reason or ""] += length_s  # type: ignore[assignment]
            else:
                others[part.state] += length_s  # type: ignore[assignment]
    return States(
        seconds=seconds,
        looked_at_s=dict(looked_at),
        damaged_s=float(others["damaged"]),
        pending_s=float(others["pending"]),
        skipped_s=dict(skipped),
    )


def _part(start_s: float, end_s: float, key: _Key, runs: dict[int, tuple[str, float | None]]) -> Part:
    _, run, kind, reason = key
    state = _STATE.get(kind) or ("pending" if kind == "pending" else "skipped")
    if state == "looked_at":
        engine, rate_hz = runs[-run]
        return Part(start_s=start_s, end_s=end_s, state=state, engine=engine, rate_hz=rate_hz)
    return Part(start_s=start_s, end_s=end_s, state=state, reason=reason or None)


def _seen(session: Session, video_id: int | None) -> Iterator[tuple[int, float, float, _Key]]:
    query = select(Seen.video_id, Seen.run_id, Seen.start_s, Seen.end_s, Seen.kind, Seen.reason)
    query = _one(query.where(~is_hidden(Seen.video_id, Seen.run_id)), Seen.video_id, video_id)
    for video, run, start_s, end_s, kind, reason in session.execute(query):
        yield video, start_s, end_s, (_RANK[kind], -run, kind, reason or "")


def _waiting(session: Session, video_id: int | None) -> Iterator[tuple[int, float, float, _Key]]:
    key = (_RANK["pending"], 0, "pending", "")
    left = select(Job.video_id, Segment.start_s, Segment.end_s).join(Segment, Segment.job_id == Job.id)
    left = left.where(Segment.state == "pending", Job.state == "pending", ~replaced())
    left = left.where(~is_hidden(Job.video_id, Job.run_id))
    for video, start_s, end_s in session.execute(_one(left, Job.video_id, video_id)):
        yield video, start_s, end_s, key
    whole = select(Video.id, Video.start_s, Video.end_s).where(not_begun(in_search=True))
    for video, start_s, end_s in session.execute(_one(whole, Video.id, video_id)):
        yield video, start_s, end_s, key


def _given_up(session: Session, video_id: int | None) -> Iterator[tuple[int, float, float, _Key]]:
    """The segments left of jobs in quarantine, and all of a video whose job was given up before it began."""
    query = (
        select(Job.video_id, Job.reason, Video.start_s, Video.end_s, Segment.start_s, Segment.end_s)
        .join(Video, Video.id == Job.video_id)
        .outerjoin(Segment, Segment.job_id == Job.id)
        .where(Job.state == "quarantined", ~replaced(), (Segment.state == "pending") | Segment.id.is_(None))
        .where(~is_hidden(Job.video_id, Job.run_id))
    )
    rows = session.execute(_one(query, Job.video_id, video_id))
    for video, reason, first_s, last_s, start_s, end_s in rows:
        key = (_RANK["given_up"], 0, "given_up", f"given up: {reason or 'no reason was kept'}")
        yield video, first_s if start_s is None else start_s, last_s if end_s is None else end_s, key


def _gone(session: Session) -> set[int]:
    """Videos of which no file is left."""
    there = select(File.video_id).where(File.video_id.is_not(None), File.missing_since.is_(None))
    return set(session.scalars(select(Video.id).where(Video.id.not_in(there))))


def _one(query: _Rows, column: Any, video_id: int | None) -> _Rows:
    return query if video_id is None else query.where(column == video_id)


def _runs(session: Session) -> Any:
    return session.execute(select(Run.id, Run.engine, Run.config))


def _rate_hz(config: dict[str, Any]) -> float | None:
    """How many frames a second a run asks for."""
    rate = config.get("clip", config).get("rate_hz")
    return None if rate is None else float(rate)
