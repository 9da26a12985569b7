"""The first and last frame on which a followed thing is visible, found by halving between two samples.

At two samples a second a border is known to half a second. Each round of halving asks the detector about one
frame a border, all borders of the clip at once, and stops when the clip's allowance of looks is used up.
Only the borders at which the first thing of its kind comes or the last one goes are looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engines.spotter.coco import group
from engines.spotter.detector import Detection, Detector
from engines.spotter.frames import Seen, whole
from engines.spotter.settings import SpotterSettings
from engines.spotter.tracking import Corners, Path, best_match
from grounding.evidence import Span


@dataclass(slots=True)
class _Border:
    """One end of a path, between picture `seen`, which shows the thing, and `unseen`, which does not."""

    path: int
    seen: int
    unseen: int
    box: Corners
    at_edge: bool  # `unseen` is no picture of this shot: it was never looked at
    answers: dict[int, Corners | None] = field(default_factory=dict)

    def ask(self) -> int | None:
        """The next picture to look at; None when the border is found. At a shot's edge the far end first."""
        if abs(self.unseen - self.seen) <= 1:
            return None
        if self.at_edge:
            return self.unseen - 1 if self.unseen > self.seen else self.unseen + 1
        return (self.seen + self.unseen) // 2

    def answer(self, picture: int, box: Corners | None) -> None:
        self.at_edge = False
        if box is None:
            self.unseen = picture
        else:
            self.seen, self.box = picture, box


def spans(
    paths: Sequence[Path],
    *,
    seen: Seen,
    shots: Sequence[Span],
    detector: Detector,
    settings: SpotterSettings,
) -> list[Span]:
    """The time each path is visible: from its first visible frame to the end of its last one's display.

    Only a border where the first thing of its kind comes, or the last one goes, is looked for: no statement
    hangs on the others. A border that is not looked for, or that the allowance leaves open, stands at its
    outermost sample, or at the cut when that is nearer than the next sample.
    """
    starts = [_border(p, k, seen, shots, end=False) for k, p in enumerate(paths)]
    ends = [_border(p, k, seen, shots, end=True) for k, p in enumerate(paths)]
    if settings.refine and seen.exact and seen.pictures.shape[1] >= 300:
        todo = _by_worth([*starts, *ends], paths)
        allowance = max(settings.refine_calls_least, int(settings.refine_calls_a_sample * len(seen.at)))
        _halve(todo, paths=paths, seen=seen, detector=detector, settings=settings, allowance=allowance)
    return [_span(starts[k], ends[k], shot=shots[path.shot], seen=seen) for k, path in enumerate(paths)]


def _border(path: Path, number: int, seen: Seen, shots: Sequence[Span], *, end: bool) -> _Border:
    outermost = path.sightings[-1 if end else 0]
    here = seen.at[outermost.index]
    shot = shots[path.shot]
    inside = np.flatnonzero((seen.times_s >= shot.start_s) & (seen.times_s < shot.end_s))
    edge = int(inside[-1]) + 1 if end else int(inside[0]) - 1
    neighbour = outermost.index + (1 if end else -1)
    beyond = seen.at[neighbour] if 0 <= neighbour < len(seen.at) else edge
    at_edge = beyond >= edge if end else beyond <= edge
    return _Border(
        path=number,
        seen=here,
        unseen=edge if at_edge else beyond,
        box=outermost.detection.box,
        at_edge=at_edge,
    )


def _by_worth(borders: Sequence[_Border], paths: Sequence[Path]) -> list[_Border]:
    """Open borders that decide whether anything of the kind is there, the surest paths first."""
    spread = [(group(p.label), p.shot, p.sightings[0].index, p.sightings[-1].index) for p in paths]

    def decides(border: _Border) -> bool:
        family, shot, first, last = spread[border.path]
        edge = last if border.unseen > border.seen else first
        return not any(
            k != border.path and other[0] == family and other[1] == shot and other[2] <= edge <= other[3]
            for k, other in enumerate(spread)
        )

    def certainty(border: _Border) -> float:
        return sum(s.detection.confidence for s in paths[border.path].sightings)

    deciding = [b for b in borders if b.ask() is not None and decides(b)]
    return sorted(deciding, key=lambda b: (-certainty(b), b.path, b.seen))


def _halve(
    borders: list[_Border],
    *,
    paths: Sequence[Path],
    seen: Seen,
    detector: Detector,
    settings: SpotterSettings,
    allowance: int,
) -> None:
    looked_at: dict[int, list[Detection]] = {}
    while borders:
        for border in borders:
            _answer_without_looking(border, seen, settings)
        borders = [border for border in borders if border.ask() is not None]
        asked: dict[int, None] = {}
        served: list[tuple[_Border, int]] = []
        for border in borders:
            picture = border.ask()
            assert picture is not None
            if picture not in looked_at and picture not in asked:
                if allowance == 0:
                    continue
                allowance -= 1
                asked[picture] = None
            served.append((border, picture))
        new = detector.detect([whole(seen.pictures[k]) for k in asked])
        looked_at.update(zip(asked, new, strict=True))
        for border, picture in served:
            label = paths[border.path].label
            match = best_match(looked_at[picture], label=label, box=border.box, settings=settings)
            border.answer(picture, None if match is None else match.box)
        borders = [border for border, _ in served if border.ask() is not None]


def _answer_without_looking(border: _Border, seen: Seen, settings: SpotterSettings) -> None:
    """A picture that is the same as the one that showed the thing shows it too."""
    while (picture := border.ask()) is not None and seen.same(border.seen, picture, noise=settings.noise):
        border.answer(picture, border.box)


def _span(start: _Border, end: _Border, *, shot: Span, seen: Seen) -> Span:
    """Borders as times. Where `at_edge` is still set nobody looked: a cut so near is taken as the border."""
    inside = (seen.times_s >= shot.start_s) & (seen.times_s < shot.end_s)
    first, last = int(np.flatnonzero(inside)[0]), int(np.flatnonzero(inside)[-1])
    from_s = shot.start_s if start.at_edge or start.seen == first else float(seen.times_s[start.seen])
    to_s = shot.end_s if end.at_edge or end.seen == last else float(seen.ends_s[end.seen])
    from_s = min(max(from_s, shot.start_s), shot.end_s)
    return Span(from_s, max(from_s, min(to_s, shot.end_s)))
