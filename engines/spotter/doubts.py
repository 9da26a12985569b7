"""Look again, on frames between the samples, at a thing that the samples show too faintly to believe.

A faint thing that is really there is clear on some frame near by (a bus half behind a lamp post); a
mistake of the detector seldom holds still.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from engines.spotter.detector import Detection, Detector
from engines.spotter.frames import Seen, whole
from engines.spotter.settings import SpotterSettings
from engines.spotter.tracking import Path, best_match
from grounding.evidence import Span

_NEAR_S = 0.12
_MOST_LOOKS = 3  # for one thing


def confirmed(
    doubtful: Sequence[Path],
    *,
    seen: Seen,
    shots: Sequence[Span],
    detector: Detector,
    settings: SpotterSettings,
) -> list[Path]:
    """Those of `doubtful` whose two best new looks are `weak` or more on average, surest asked first."""
    if not seen.exact or not settings.second_look:
        return []
    allowance = max(settings.second_looks_least, int(settings.second_looks_a_sample * len(seen.at)))
    asked: dict[int, list[int]] = {}
    pictures: dict[int, None] = {}
    by_certainty = sorted(range(len(doubtful)), key=lambda k: -_certainty(doubtful[k]))
    for k in by_certainty:
        places = _places(doubtful[k], seen, shots[doubtful[k].shot], settings)
        if len(places) > 1 and len(pictures.keys() | set(places)) <= allowance:
            asked[k] = places
            pictures |= dict.fromkeys(places)
    found = dict(zip(pictures, detector.detect([whole(seen.pictures[p]) for p in pictures]), strict=True))
    return [doubtful[k] for k in sorted(asked) if _holds(doubtful[k], asked[k], found, seen, settings)]


def _certainty(path: Path) -> float:
    return sum(sorted((s.detection.confidence for s in path.sightings), reverse=True)[:2])


def _places(path: Path, seen: Seen, shot: Span, settings: SpotterSettings) -> list[int]:
    """Pictures to look at: half way between neighbouring sightings, else around the best one.

    A picture that is the same as that of a sighting proves nothing new, and is left out.
    """
    at = [seen.at[s.index] for s in path.sightings]
    between = [
        (a + b) // 2 for a, b in pairwise(at) if b - a > 1 and _is_new((a + b) // 2, at, seen, settings)
    ]
    best = max(range(len(at)), key=lambda k: path.sightings[k].detection.confidence)
    if len(between) > 1:
        return sorted(between, key=lambda p: (abs(p - at[best]), p))[:_MOST_LOOKS]
    times = seen.times_s[at[best]] + np.array([-_NEAR_S, _NEAR_S])
    near = [int(np.abs(seen.times_s - t).argmin()) for t in times if shot.start_s <= t < shot.end_s]
    near = [p for p in near if shot.start_s <= seen.times_s[p] < shot.end_s]
    near = [p for p in near if _is_new(p, at, seen, settings)]
    return list(dict.fromkeys([*between, *near]))


def _is_new(picture: int, at: Sequence[int], seen: Seen, settings: SpotterSettings) -> bool:
    nearest = min(at, key=lambda a: abs(a - picture))
    return not seen.same(nearest, picture, noise=settings.noise)


def _holds(
    path: Path,
    places: Sequence[int],
    found: dict[int, list[Detection]],
    seen: Seen,
    settings: SpotterSettings,
) -> bool:
    hits = []
    for place in places:
        nearest = min(path.sightings, key=lambda s: abs(seen.at[s.index] - place))
        match = best_match(found[place], label=path.label, box=nearest.detection.box, settings=settings)
        if match is not None:
            hits.append(match.confidence)
    return len(hits) > 1 and sum(sorted(hits, reverse=True)[:2]) / 2 >= settings.weak
