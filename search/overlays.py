"""Where the boxes of a moment's evidence are at a time of its clip.

A claim's box was seen at one frame. A track's box was seen at its points; between two sightings of the same
track, and there alone, it is interpolated, because a clip has more frames than were looked at. A claim that
no track carries stays for `HELD_S` after its frame, and its label then tells the time at which it was seen.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from grounding.evidence import Box
from grounding.geometry import iou
from search.results import Evidence

HELD_S = 0.5
_SAME_S = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """A box to draw, and what to write beside it."""

    box: Box
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """A track: `points` are (time in seconds, box) where it was seen, by time."""

    label: str
    points: tuple[tuple[float, Box], ...]

    def at(self, time_s: float) -> Box | None:
        """Where it is: seen, interpolated between two sightings, or None before the first and after the
        last.
        """
        after = bisect_right(self.points, time_s + _SAME_S, key=lambda point: point[0])
        if after == 0:
            return None
        before_s, box = self.points[after - 1]
        if abs(before_s - time_s) <= _SAME_S:
            return box
        if after == len(self.points):
            return None
        after_s, next_box = self.points[after]
        return _between(box, next_box, (time_s - before_s) / (after_s - before_s))


def overlays_at(time_s: float, *, trails: Sequence[Trail], claims: Sequence[Evidence]) -> list[Overlay]:
    """What to draw on the frame at `time_s`: tracks first, then claims that no track of theirs carries."""
    tracked = [(trail.label, box) for trail in trails if (box := trail.at(time_s)) is not None]
    shown = [Overlay(box=box, label=label) for label, box in tracked]
    for claim in claims:
        age_s = time_s - claim.time_s
        if not -_SAME_S <= age_s < HELD_S:
            continue
        label = claim.subject if age_s <= _SAME_S else f"{claim.subject}, seen at {claim.time_s:.3f} s"
        shown += [Overlay(box=box, label=label) for box in claim.boxes if not _carried(box, tracked)]
    return shown


def _carried(box: Box, tracked: Sequence[tuple[str, Box]]) -> bool:
    return any(iou(box, other) >= 0.5 for _, other in tracked)


def _between(first: Box, last: Box, share: float) -> Box:
    def mixed(a: float, b: float) -> float:
        return min(1.0, max(0.0, a + (b - a) * share))

    return Box(
        mixed(first.x1, last.x1), mixed(first.y1, last.y1), mixed(first.x2, last.x2), mixed(first.y2, last.y2)
    )
