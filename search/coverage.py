"""How much a search could have found things in: seconds looked at, to do, and lost; each second counts once.

Jobs overlap (two runs, a question added later) and so do windows, so that the length of many stretches is
that of their union, a video at a time. The sums agree with `storage.reports`, which knows no dates.

Shapes: N stretches of (video, start, end).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import text
from sqlalchemy.orm import Session

from grounding.evidence import Span
from search.results import Searched
from search.scope import Scope, in_library

# What lies outside the video (a last window reaches past its end) is cut off.
_COVERAGE = """
    SELECT job.video_id, max(coverage.start_s, video.start_s), min(coverage.end_s, video.end_s)
    FROM coverage JOIN segment ON segment.id = coverage.segment_id JOIN job ON job.id = segment.job_id
    JOIN video ON video.id = job.video_id WHERE coverage.kind IN ({kinds}) AND {library}
"""
_LOOKED_AT = _COVERAGE.replace("{kinds}", "'sampled', 'still'")
_DAMAGED = _COVERAGE.replace("{kinds}", "'damaged'")
# A job that a later run has taken the place of waits for nothing.
_TO_DO = """
    SELECT job.video_id, max(segment.start_s, video.start_s), min(segment.end_s, video.end_s)
    FROM segment JOIN job ON job.id = segment.job_id JOIN video ON video.id = job.video_id
    WHERE segment.state = 'pending' AND job.state = 'pending' AND {library} AND NOT EXISTS (
        SELECT 1 FROM job later
        WHERE later.video_id = job.video_id AND later.id > job.id AND later.run_id <> job.run_id)
"""
# Where `index` was stopped before a video, no job of it exists yet.
_NOT_BEGUN = """
    SELECT video.id, video.start_s, video.end_s FROM video
    WHERE {library} AND NOT EXISTS (SELECT 1 FROM job WHERE job.video_id = video.id)
    AND EXISTS (SELECT 1 FROM file WHERE file.video_id = video.id AND file.missing_since IS NULL)
"""
_WHOLE = "SELECT id, start_s, end_s FROM video WHERE {library}"

Stretches_N3 = npt.NDArray[np.float64]


def searched(session: Session, scope: Scope) -> Searched:
    """What lies within the scope's library and dates."""
    looked = _stretches(session, _LOOKED_AT, scope, video="job.video_id")
    damaged = _stretches(session, _DAMAGED, scope, video="job.video_id")
    begun = _stretches(session, _TO_DO, scope, video="job.video_id")
    to_do = np.concatenate([begun, _stretches(session, _NOT_BEGUN, scope, video="video.id")])
    whole = _stretches(session, _WHOLE, scope, video="video.id")
    lost_s = covered(damaged)
    known_s = covered(np.concatenate([looked, damaged, to_do])) - lost_s
    return Searched(
        videos=len(np.unique(looked[:, 0])),
        seconds=covered(np.concatenate([looked, damaged])) - lost_s,
        pending_s=covered(to_do),
        unseen_s=max(0.0, covered(whole) - known_s),
        undated=scope.undated,
    )


def covered(stretches_N3: Stretches_N3) -> float:
    """Seconds in the union of the stretches, each video apart."""
    video, start, end = stretches_N3[np.lexsort((stretches_N3[:, 1], stretches_N3[:, 0]))].T
    if len(video) == 0:
        return 0.0
    # Each video is moved to a stretch of its own on one line, so that one running maximum serves them all.
    shift = np.unique(video, return_inverse=True)[1] * (end.max() - start.min() + 1.0)
    before = np.maximum.accumulate(end + shift)
    begin = np.maximum(start + shift, np.concatenate([[-np.inf], before[:-1]]))
    return float(np.maximum(0.0, end + shift - begin).sum())


def _stretches(session: Session, query: str, scope: Scope, *, video: str) -> Stretches_N3:
    statement = text(query.format(library=in_library(video)))
    rows: Iterable[Any] = session.execute(statement, {"library": scope.library_id})
    if scope.spans is not None:
        rows = _clipped(rows, scope.spans)
    return np.array([tuple(row) for row in rows], dtype=np.float64).reshape(-1, 3)


def _clipped(rows: Iterable[Any], spans: Mapping[int, Sequence[Span]]) -> Iterator[tuple[int, float, float]]:
    for video, start, end in rows:
        for span in spans.get(video, ()):
            if start < span.end_s and end > span.start_s:
                yield video, max(start, span.start_s), min(end, span.end_s)
