"""One moment's proof: its claims, the frame that shows most of them, and a clip with the boxes over time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from engines.english import noun
from grounding.errors import Damaged, printable
from grounding.evidence import Box, Span
from search.describing import best_claims
from search.originals import known, original
from search.overlays import Trail, overlays_at
from search.results import Evidence
from storage.database import Database
from storage.schema import TrackRow

if TYPE_CHECKING:
    from video.frames import Frame, FrameSource, Image

LEAST_CLIP_S = 1.0
"""A shorter moment gets time around it, so that there is something to watch."""

_LAST_FRAME_S = 0.2
_MOST_CLAIMS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A moment with all its claims, by time, in file time and as a player counts.

    `path` is its file: checked to hold it when something was written from it, else where it was seen last, or
    None when none is known. `frame` and `clip` are what was written, or None; the
    frame is the one with `frame_pts`, shown from `frame_time_s`. Since `missing_since` no scan has found its
    file; `undrawable` says why its pictures can't be drawn now, or is None.
    """

    moment: int
    path: Path | None
    missing_since: datetime | None
    undrawable: str | None
    start_s: float
    end_s: float
    player_start_s: float
    player_end_s: float
    text: str
    claims: tuple[Evidence, ...]
    frame: Path | None = None
    frame_time_s: float | None = None
    frame_pts: int | None = None
    clip: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A moment as it is stored, with what it takes to find its frames."""

    id: int
    video_id: int
    span: Span
    video: Span
    time_base: Fraction
    text: str
    claims: tuple[Evidence, ...]
    trails: tuple[Trail, ...]


def show(db: Database, moment: int, *, frame: Path | None = None, clip: Path | None = None) -> Shown:
    """Show the moment with this id; write its evidence frame as PNG and its clip as MP4, where asked to.

    The frame is the one in which the most different things were seen, with their boxes; a moment without
    claims shows its middle, without any. In the clip the boxes of tracks are interpolated between two
    sightings of the same track (see `overlays`). Raises ValueError for an unknown id or a bad output name,
    `Unreadable` when the file is gone or holds something else now, `Damaged` when it no longer gives the
    frame.
    """
    writes = frame is not None or clip is not None
    with db.reading() as session:
        stored = _load(session, moment)
        _refuse_recordings(session, [out for out in (frame, clip) if out is not None])
        files = known(session, stored.video_id)
        path = original(session, stored.video_id) if writes else files.path
    pictured = None
    if writes:
        assert path is not None
        pictured = _write(path, stored, frame=frame, clip=clip)
    return Shown(
        moment=stored.id,
        path=path,
        missing_since=files.missing_since,
        undrawable=files.undrawable,
        start_s=stored.span.start_s,
        end_s=stored.span.end_s,
        player_start_s=stored.span.start_s - stored.video.start_s,
        player_end_s=stored.span.end_s - stored.video.start_s,
        text=stored.text,
        claims=stored.claims,
        frame=frame,
        frame_time_s=None if pictured is None else pictured.time_s,
        frame_pts=None if pictured is None else pictured.pts,
        clip=clip,
    )


def evidence_pts(claims: Sequence[Evidence]) -> int | None:
    """The frame that proves the most: most different subjects, then the surest; None without claims."""
    by_pts: dict[int, list[Evidence]] = {}
    for claim in claims:
        by_pts.setdefault(claim.pts, []).append(claim)

    def proof(pts: int) -> tuple[int, float, int]:
        there = by_pts[pts]
        return len({claim.subject for claim in there}), sum(c.confidence or 0.0 for c in there), -pts

    return max(by_pts, key=proof, default=None)


def _load(session: Session, moment: int) -> _Stored:
    query = text(
        "SELECT moment.video_id, moment.start_s, moment.end_s, moment.text, video.start_s, video.end_s,"
        " video.time_base_num, video.time_base_den, answer.segment_id FROM moment"
        " JOIN video ON video.id = moment.video_id JOIN answer ON answer.id = moment.answer_id"
        " WHERE moment.id = :moment"
    )
    row = session.execute(query, {"moment": moment}).one_or_none() if _is_id(moment) else None
    if row is None:
        raise ValueError(f"there is no moment {moment}; take a number that `proofreel search` gives")
    claims, _ = best_claims(session, [[moment]], most=_MOST_CLAIMS)[0]
    return _Stored(
        id=moment,
        video_id=row[0],
        span=Span(row[1], row[2]),
        video=Span(row[4], row[5]),
        time_base=Fraction(row[6], row[7]),
        text=row[3],
        claims=tuple(sorted(claims, key=lambda claim: claim.time_s)),
        trails=_trails(session, row[8], claims),
    )


def _is_id(moment: int) -> bool:
    return 0 < moment < 1 << 63


def _trails(session: Session, segment: int, claims: Sequence[Evidence]) -> tuple[Trail, ...]:
    """The segment's tracks of the things that the claims are about."""
    wanted = {noun(claim.subject) for claim in claims}
    query = select(TrackRow.label, TrackRow.points).where(TrackRow.segment_id == segment)
    return tuple(
        Trail(label=label, points=tuple((p[0], Box(*p[2:6])) for p in points))
        for label, points in session.execute(query.order_by(TrackRow.id))
        if noun(label) in wanted
    )


def _refuse_recordings(session: Session, outs: Sequence[Path]) -> None:
    """Raise ValueError for a path that any library knows as a file: a proof never replaces a recording."""
    from storage.paths import path_to_text

    for out in outs:
        known = {"path": path_to_text(out.resolve()), "as_named": path_to_text(out.absolute())}
        query = text("SELECT 1 FROM file WHERE path IN (:path, :as_named) LIMIT 1")
        if out.exists() and session.execute(query, known).first():
            raise ValueError(f"{printable(out)} is an indexed recording; name another file to write")


def _write(path: Path, stored: _Stored, *, frame: Path | None, clip: Path | None) -> Frame | None:
    from video.clips import write_clip
    from video.reader import open_video

    for out in (frame, clip):
        if out is not None and out.exists() and os.path.samefile(out, path):
            raise ValueError(f"{printable(out)} is the video itself; name another file to write")
    with open_video(path) as source:
        pictured = None if frame is None else _write_frame(source, stored, frame)
        if clip is not None:
            span = clip_span(stored.span, claims=stored.claims, video=stored.video)
            write_clip(source, span, clip, overlay=_overlay(stored))
    return pictured


def _write_frame(source: FrameSource, stored: _Stored, out: Path) -> Frame:
    from video.drawing import Mark, draw, write_png

    pts = evidence_pts(stored.claims)
    middle_s = (stored.span.start_s + stored.span.end_s) / 2
    time_s = middle_s if pts is None else float(pts * stored.time_base)
    shown = next(source.frames_at([time_s]), None)
    if shown is None or shown.damaged or (pts is not None and shown.pts != pts):
        which = "its frame" if pts is None else f"the frame with pts {pts}"
        reason = f"{which} can't be read any more; run `proofreel index` on it"
        raise Damaged(source.info.path, reason, position_s=time_s)
    marks = [
        Mark(box=box, label=claim.subject, confidence=claim.confidence)
        for claim in stored.claims
        if claim.pts == pts
        for box in claim.boxes
    ]
    write_png(draw(shown.image, marks), out)
    return shown


def clip_span(span: Span, *, claims: Sequence[Evidence], video: Span) -> Span:
    """The moment's span with the frame of its last claim in it, and no shorter than `LEAST_CLIP_S`."""
    end_s = max([span.end_s, *(claim.time_s + _LAST_FRAME_S for claim in claims)])
    around_s = max(0.0, LEAST_CLIP_S - (end_s - span.start_s)) / 2
    start_s = max(video.start_s, min(span.start_s - around_s, video.end_s - LEAST_CLIP_S))
    return Span(start_s, max(start_s, min(video.end_s, max(end_s + around_s, start_s + LEAST_CLIP_S))))


def _overlay(stored: _Stored) -> Callable[[Frame], Image]:
    from video.drawing import Mark, draw

    def overlay(frame: Frame) -> Image:
        found = overlays_at(frame.time_s, trails=stored.trails, claims=stored.claims)
        return draw(frame.image, [Mark(box=one.box, label=one.label) for one in found])

    return overlay
