"""How much a search could have found things in: seconds looked at, to do, and lost; each second counts once.

Shapes: N stretches of (video, start, end).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from sqlalchemy.orm import Session

from search.results import Searched
from search.scope import Scope
from storage.reports import (
    LOOKED_AT,
    Stretches_N3,
    covered_s,
    stretches_covered,
    stretches_of_videos,
    stretches_to_do,
)


def searched(session: Session, scope: Scope) -> Searched:
    """What lies within the scope's library and dates."""
    library_id = scope.library_id
    of = partial(stretches_covered, session, library_id=library_id, in_search=True)
    looked, damaged = _dated(of(LOOKED_AT), scope), _dated(of(["damaged"]), scope)
    to_do = _dated(stretches_to_do(session, library_id=library_id, in_search=True), scope)
    whole = _dated(stretches_of_videos(session, library_id=library_id), scope)
    lost_s = covered_s(damaged)
    known_s = covered_s(np.concatenate([looked, damaged, to_do])) - lost_s
    return Searched(
        videos=len(np.unique(looked[:, 0])),
        seconds=covered_s(np.concatenate([looked, damaged])) - lost_s,
        pending_s=covered_s(to_do),
        unseen_s=max(0.0, covered_s(whole) - known_s),
        undated=scope.undated,
    )


def _dated(stretches_N3: Stretches_N3, scope: Scope) -> Stretches_N3:
    """What of the stretches lies within the scope's dates."""
    if scope.spans is None:
        return stretches_N3
    return np.array(list(_clipped(stretches_N3, scope)), dtype=np.float64).reshape(-1, 3)


def _clipped(stretches_N3: Stretches_N3, scope: Scope) -> Iterator[tuple[float, float, float]]:
    for video, start, end in stretches_N3.tolist():
        for span in (scope.spans or {}).get(int(video), ()):
            if start < span.end_s and end > span.start_s:
                yield video, max(start, span.start_s), min(end, span.end_s)
