"""Time that was lost, by video: to damage, as the coverage of its present answers has it, or cut off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from grounding.evidence import Span
from indexer.merging import join
from storage.paths import text_to_path
from storage.reports import is_hidden
from storage.schema import File, Seen, Video

TOLD_FROM_S = 0.05
"""Less is not worth a word, and would be told as 0.0 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedVideo:
    """A video of `seconds`, of which `damaged_s` can't be seen, and where it is or was last."""

    path: Path
    seconds: float
    damaged_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOffVideo:
    """A video of `seconds`, whose header lists `missing_s` more that are not in the file."""

    path: Path
    seconds: float
    missing_s: float


def damaged_s_of(session: Session, video_id: int) -> float:
    """Seconds of one video that can't be seen for damage."""
    return _damaged_s(session, video_id=video_id).get(video_id, 0.0)


def damaged_videos(session: Session) -> Iterable[DamagedVideo]:
    """Every video that lost time to damage, by its path."""
    damaged_s = _damaged_s(session)
    rows = session.execute(
        select(Video.id, Video.end_s - Video.start_s, File.path)
        .join(File, File.video_id == Video.id)
        .order_by(File.missing_since.is_not(None), File.id)
    )
    found: dict[int, DamagedVideo] = {}
    for video_id, seconds, text in rows:
        if damaged_s.get(video_id, 0.0) >= TOLD_FROM_S:
            path = Path(text_to_path(text))
            found.setdefault(
                video_id, DamagedVideo(path=path, seconds=seconds, damaged_s=damaged_s[video_id])
            )
    return sorted(found.values(), key=lambda video: video.path)


def told(damaged_s: float, *, seconds: float) -> str | None:
    """The loss in words, or None where there is none to speak of."""
    return f"{damaged_s:.1f} s of {seconds:.1f} s are damaged" if damaged_s >= TOLD_FROM_S else None


def cut_off_videos(session: Session) -> Iterable[CutOffVideo]:
    """Every video whose file ends before its header says so, by its path."""
    rows = session.execute(
        select(Video.id, Video.missing_s, Video.end_s - Video.start_s, File.path)
        .join(File, File.video_id == Video.id)
        .where(Video.missing_s > 0.0)
        .order_by(File.missing_since.is_not(None), File.id)
    )
    found: dict[int, CutOffVideo] = {}
    for video_id, missing_s, seconds, text in rows:
        path = Path(text_to_path(text))
        found.setdefault(video_id, CutOffVideo(path=path, seconds=seconds, missing_s=missing_s or 0.0))
    return sorted(found.values(), key=lambda video: video.path)


def told_cut_off(missing_s: float) -> str:
    """In words what is missing."""
    return f"the file is cut off: {missing_s:.1f} s are missing at its end"


def _damaged_s(session: Session, *, video_id: int | None = None) -> dict[int, float]:
    query = select(Seen.video_id, Seen.start_s, Seen.end_s)
    query = query.where(Seen.kind == "damaged", ~is_hidden(Seen.video_id, Seen.run_id))
    if video_id is not None:
        query = query.where(Seen.video_id == video_id)
    spans: defaultdict[int, list[Span]] = defaultdict(list)
    for video, start_s, end_s in session.execute(query):
        spans[video].append(Span(start_s, end_s))
    return {video: sum(s.end_s - s.start_s for s in join(of, gap_s=0.0)) for video, of in spans.items()}
