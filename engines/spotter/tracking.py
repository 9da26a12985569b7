"""Follow things from sample to sample: SORT from the library similari, tuned for two frames a second.

Shots and groups of labels are scenes of their own, so that things never mix across a cut or a kind.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engines.spotter.coco import EASILY_MISTAKEN, RARELY_LARGE, group
from engines.spotter.detector import Detection
from engines.spotter.settings import SpotterSettings

Corners = tuple[float, float, float, float]

_SCALE = 1000.0  # similari takes pixels
_INSIDE = 0.8  # a less sure box that lies this much inside a surer one of its group is the same thing again
_CERTAIN = 0.6  # unless it is this sure by itself: someone behind someone


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A detection on sample `index`; `looked` is false where it was carried over from an equal picture."""

    index: int
    detection: Detection
    looked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One thing's sightings, rising, and the label that most of its certainty stands for."""

    label: str
    shot: int
    sightings: tuple[Sighting, ...]


def plausible(detections: Sequence[Detection], settings: SpotterSettings) -> list[Detection]:
    """What is left of one picture's detections (surest first) without doubles and impossible sizes."""
    kept: list[Detection] = []
    for one in detections:
        x1, y1, x2, y2 = one.box
        if one.label in RARELY_LARGE and (x2 - x1) * (y2 - y1) > settings.small_things_area:
            continue
        family = group(one.label)
        if not any(group(other.label) == family and _is_double(one, other) for other in kept):
            kept.append(one)
    return kept


def follow(
    samples: Sequence[Sequence[Detection]],
    *,
    looked: Sequence[bool],
    shots: Sequence[range],
    settings: SpotterSettings,
) -> list[Path]:
    """Paths of the things in `samples` (plausible detections a sampled frame), in `path_order`.

    `looked[i]` tells whether sample i was given to the detector; `shots` are ranges of sample indices.
    """
    paths: list[Path] = []
    for number, shot in enumerate(shots):
        families = sorted({group(d.label) for i in shot for d in samples[i]})
        for family in families:
            mine = [[d for d in samples[i] if group(d.label) == family] for i in shot]
            for sightings in _link(mine, shot=shot, looked=looked, settings=settings):
                paths.append(Path(label=_label(sightings), shot=number, sightings=tuple(sightings)))
    return sorted(paths, key=path_order)


def path_order(path: Path) -> tuple[int, str, Corners]:
    """Paths are listed by first sighting, then label, then place."""
    first = path.sightings[0]
    return first.index, path.label, first.detection.box


def belief(path: Path, settings: SpotterSettings) -> Literal["believed", "doubtful", "dropped"]:
    """What the samples alone say of a path. Carried-over sightings are no evidence."""
    sure = sorted((s.detection.confidence for s in path.sightings if s.looked), reverse=True)
    if path.label in EASILY_MISTAKEN:
        return "believed" if len(sure) > 1 and sum(sure[:2]) / 2 >= settings.twice_strong else "dropped"
    if sure[0] >= settings.strong or (len(sure) > 1 and sum(sure[:2]) / 2 >= settings.weak):
        return "believed"
    return "doubtful" if sure[0] >= settings.doubtful else "dropped"


def best_match(
    found: Sequence[Detection], *, label: str, box: Corners, settings: SpotterSettings
) -> Detection | None:
    """What continues the thing `label` at `box` on another frame: of its group, and overlapping."""
    mine = [d for d in found if group(d.label) == group(label)]
    best = max(mine, key=lambda d: _grown_iou(d.box, box, settings.grow), default=None)
    if best is None or _grown_iou(best.box, box, settings.grow) < settings.same_iou:
        return None
    return best


def _link(
    samples: Sequence[Sequence[Detection]], *, shot: range, looked: Sequence[bool], settings: SpotterSettings
) -> list[list[Sighting]]:
    import similari

    sort = similari.Sort(
        shards=1,
        bbox_history=1,
        max_idle_epochs=settings.most_missed + 1,
        method=similari.PositionalMetricType.iou(settings.same_iou),
    )
    paths: dict[int, list[Sighting]] = defaultdict(list)
    for index, detections in zip(shot, samples, strict=True):
        boxes = []
        for place, detection in enumerate(detections):
            x1, y1, x2, y2 = (_SCALE * v for v in _grown_by(detection.box, settings.grow))
            boxes.append((similari.BoundingBox(x1, y1, x2 - x1, y2 - y1).as_xyaah(), place))
        for track in sort.predict(boxes):
            detection = detections[track.custom_object_id]
            paths[track.id].append(Sighting(index=index, detection=detection, looked=looked[index]))
        sort.clear_wasted()
    return list(paths.values())


def _label(sightings: Sequence[Sighting]) -> str:
    votes: Counter[str] = Counter()
    for sighting in sightings:
        votes[sighting.detection.label] += sighting.detection.confidence  # type: ignore[assignment]
    return max(sorted(votes), key=lambda label: votes[label])


def _is_double(one: Detection, surer: Detection) -> bool:
    a, b = one.box, surer.box
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return False
    area_a, area_b = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    shared = width * height
    if one.label != surer.label and shared / (area_a + area_b - shared) > _INSIDE:
        return True
    return one.confidence < _CERTAIN and shared / min(area_a, area_b) > _INSIDE


def _grown_iou(a: Corners, b: Corners, grow: float) -> float:
    a, b = _grown_by(a, grow), _grown_by(b, grow)
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (areas - width * height)


def _grown_by(box: Corners, grow: float) -> Corners:
    dx, dy = grow * (box[2] - box[0]), grow * (box[3] - box[1])
    return box[0] - dx, box[1] - dy, box[2] + dx, box[3] + dy
