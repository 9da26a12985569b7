"""How things stand together: relations of boxes, at the same sampled frame, over time.

Boxes are 0..1 of the frame, y grows downwards. No depth is known: "in front of" and "behind" are judged by
the lower edges of boxes that overlap, as a viewer would.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from engines.contract import Track, TrackPoint
from engines.phrases import Link
from engines.spotter.observations import Observations
from engines.things import Thing
from grounding.evidence import Box, Span

TRAFFIC_LEAST = 3
"""Vehicles at the same time that are traffic."""

RIDDEN = frozenset(
    ["bicycle", "motorcycle", "horse", "elephant", "skateboard", "surfboard", "snowboard", "skis"]
)
"""Kinds that a person is seen to ride: one sits or stands above them."""

MOST_SAMPLES_BRIDGED = 1
"""Sampled frames in a row that a thing may go unseen (a missed detection) within one stretch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One thing in one sampled frame: `track` is its number in the observations, `sample` the frame's."""

    track: int
    label: str
    sample: int
    point: TrackPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A sampled frame at which all that was asked for is seen. `members` holds the sightings of each thing
    asked for, in its order; a thing may have several. `counts`: how many of each there are (a cyclist's
    bicycle is a sighting, and no second cyclist).
    """

    sample: int
    members: tuple[tuple[Sighting, ...], ...]
    counts: tuple[int, ...]

    @property
    def sightings(self) -> tuple[Sighting, ...]:
        """Every sighting of the hit, once."""
        return tuple({(s.track, s.sample): s for group in self.members for s in group}.values())


def sightings(observations: Observations) -> list[list[Sighting]]:
    """What was seen at each sampled frame."""
    index = {pts: i for i, pts in enumerate(observations.pts)}
    found: list[list[Sighting]] = [[] for _ in observations.pts]
    for number, track in enumerate(observations.tracks):
        for point in track.points:
            sample = index.get(point.pts)
            if sample is not None:
                found[sample].append(Sighting(track=number, label=track.label, sample=sample, point=point))
    return found


def hits(
    observations: Observations,
    things: Sequence[Thing],
    *,
    links: Sequence[Link] = (),
    positions: Sequence[str] = (),
    any_of: bool = False,
) -> list[Hit]:
    """The sampled frames at which all of `things` (any of them, if `any_of`) are seen, linked as asked.

    A thing with a number must be there as many times at once. `positions` hold for the first thing.
    """
    found = []
    for sample, seen in enumerate(sightings(observations)):
        groups = [_of_thing(thing, seen) for thing in things]
        if groups and positions:
            groups[0] = [s for s in groups[0] if all(is_at(s.point.box, side) for side in positions)]
        for _ in links:  # once more than the chain is long: what a link drops, its neighbours drop too
            for link in links:
                _join(groups, things, link)
        counts = tuple(_count(thing, group) for thing, group in zip(things, groups, strict=True))
        enough = [n >= thing.at_least for thing, n in zip(things, counts, strict=True)]
        if things and (any(enough) if any_of else all(enough)):
            members = tuple(tuple(g) if ok else () for g, ok in zip(groups, enough, strict=True))
            found.append(Hit(sample=sample, members=members, counts=counts))
    return found


def stretches(observations: Observations, found: Sequence[Hit]) -> list[tuple[Span, list[Hit]]]:
    """The hits gathered into stretches of time, with the span of each.

    A stretch begins with its first frame, or earlier where the track of a thing is known to (a cut between
    two samples); likewise its end. At most `MOST_SAMPLES_BRIDGED` frames in a row may be without a hit, and
    a damaged stretch ends it.
    """
    sound = observations.runs
    later = [run.start_s for run in sound[1:]]
    places = [bisect_right(later, time_s) for time_s in observations.times_s]
    runs: list[list[Hit]] = []
    for hit in found:
        before = runs[-1][-1].sample if runs else None
        if (
            before is not None
            and hit.sample - before <= 1 + MOST_SAMPLES_BRIDGED
            and places[hit.sample] == places[before]
        ):
            runs[-1].append(hit)
        else:
            runs.append([hit])
    return [(_span(observations, run, within=sound[places[run[0].sample]]), run) for run in runs]


def riding(first: Box, second: Box) -> bool:
    """`first` (a person) is above `second` and overlaps it, its feet not below the wheels or hooves."""
    return (
        _shared_width(first, second) >= 0.4 * min(_width(first), _width(second))
        and _shared_height(first, second) >= 0.15 * _height(second)
        and _middle_y(first) < _middle_y(second)
        and first.y1 < second.y1
        and first.y2 <= second.y2 + 0.1 * _height(second)
        and 0.5 * _height(second) <= _height(first) <= 4.0 * _height(second)
    )


def near(first: Box, second: Box) -> bool:
    """The gap between them is at most half of the larger one, sideways and up or down."""
    gap_x = max(first.x1, second.x1) - min(first.x2, second.x2)
    gap_y = max(first.y1, second.y1) - min(first.y2, second.y2)
    return gap_x <= 0.5 * max(_width(first), _width(second)) and gap_y <= 0.5 * max(
        _height(first), _height(second)
    )


def inside(first: Box, second: Box) -> bool:
    """At least 60 % of `first` lies within `second`, which is larger."""
    area = _width(first) * _height(first)
    shared = _shared_width(first, second) * _shared_height(first, second)
    return area < _width(second) * _height(second) and shared >= 0.6 * area


def on(first: Box, second: Box) -> bool:
    """`first` stands on `second`: its lower edge lies within it, most of its width above it."""
    return (
        _shared_width(first, second) >= 0.5 * min(_width(first), _width(second))
        and second.y1 - 0.05 * _height(first) <= first.y2 <= second.y2
        and _middle_y(first) < _middle_y(second)
    )


def in_front_of(first: Box, second: Box) -> bool:
    """They overlap and the lower edge of `first` is clearly the lower one."""
    overlap = _shared_width(first, second) > 0 and _shared_height(first, second) > 0
    return overlap and first.y2 > second.y2 + 0.05 * _height(second)


def left_of(first: Box, second: Box) -> bool:
    """The middle of `first` is left of all of `second`."""
    return (first.x1 + first.x2) / 2 < second.x1


def above(first: Box, second: Box) -> bool:
    """The middle of `first` is above all of `second`, and they share some width."""
    return _middle_y(first) < second.y1 and _shared_width(first, second) > 0


def together(first: Box, second: Box) -> bool:
    """Both are there."""
    return True


def swapped(relation: Callable[[Box, Box], bool]) -> Callable[[Box, Box], bool]:
    """The relation seen from the other thing."""
    return lambda first, second: relation(second, first)


RELATIONS: dict[str, Callable[[Box, Box], bool]] = {
    "riding": riding,
    "near": near,
    "in": inside,
    "on": lambda first, second: on(first, second) or riding(first, second),
    "with": near,
    "and": together,
    "in front of": in_front_of,
    "behind": swapped(in_front_of),
    "left of": left_of,
    "right of": swapped(left_of),
    "above": above,
    "below": swapped(above),
}


def is_at(box: Box, side: str) -> bool:
    """The middle of the box lies in that half of the picture ("centre": in the middle third)."""
    x, y = (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2
    return {
        "left": x < 0.5,
        "right": x >= 0.5,
        "top": y < 0.5,
        "bottom": y >= 0.5,
        "centre": 1 / 3 <= x <= 2 / 3 and 1 / 3 <= y <= 2 / 3,
    }[side]


def _of_thing(thing: Thing, seen: Sequence[Sighting]) -> list[Sighting]:
    """The sightings that answer for a thing; for a "cyclist", the person and the bicycle of each pair."""
    if thing.kind == "traffic":
        vehicles = [s for s in seen if s.label in thing.labels]
        return vehicles if len(vehicles) >= TRAFFIC_LEAST else []
    own = [s for s in seen if s.label in thing.labels]
    if thing.relation is None:
        return own
    holds = RELATIONS[thing.relation]
    partners = [s for s in seen if s.label in thing.partners]
    pairs = [(a, b) for a in own for b in partners if holds(a.point.box, b.point.box)]
    return _once([*(a for a, _ in pairs), *(b for _, b in pairs)])


def _count(thing: Thing, group: Sequence[Sighting]) -> int:
    return sum(1 for s in group if s.label in thing.labels)


def _join(groups: list[list[Sighting]], things: Sequence[Thing], link: Link) -> None:
    """Keeps the sightings on either side of the link that have a partner on the other."""
    first, second = groups[link.first], groups[link.second]
    if "traffic" in (things[link.first].kind, things[link.second].kind):
        if not (first and second):
            first.clear()
            second.clear()
        return
    holds = RELATIONS[link.relation]
    pairs = [(a, b) for a in first for b in second if a.track != b.track and holds(a.point.box, b.point.box)]
    groups[link.first] = _once(a for a, _ in pairs)
    groups[link.second] = _once(b for _, b in pairs)


def _once(found: Iterable[Sighting]) -> list[Sighting]:
    return list({s.track: s for s in found}.values())


def _span(observations: Observations, run: Sequence[Hit], *, within: Span) -> Span:
    times = observations.times_s
    first, last = run[0], run[-1]
    start, end = times[first.sample], times[last.sample]
    before = max(times[first.sample - 1], within.start_s) if first.sample else within.start_s
    after = min(times[last.sample + 1], within.end_s) if last.sample + 1 < len(times) else within.end_s
    begun = _latest(observations.tracks, first, before=before, at=start)
    ended = _earliest(observations.tracks, last, after=after, at=end)
    return Span(max(begun, within.start_s), min(ended, within.end_s))


def _latest(tracks: Sequence[Track], hit: Hit, *, before: float, at: float) -> float:
    """When the last of the things asked for is known to have begun, if that was between two samples."""
    begun = [min(tracks[s.track].span.start_s for s in group) for group in hit.members if group]
    latest = max(begun, default=at)
    return latest if before <= latest < at else at


def _earliest(tracks: Sequence[Track], hit: Hit, *, after: float, at: float) -> float:
    ended = [max(tracks[s.track].span.end_s for s in group) for group in hit.members if group]
    earliest = min(ended, default=at)
    return earliest if at < earliest <= after else at


def _width(box: Box) -> float:
    return box.x2 - box.x1


def _height(box: Box) -> float:
    return box.y2 - box.y1


def _middle_y(box: Box) -> float:
    return (box.y1 + box.y2) / 2


def _shared_width(first: Box, second: Box) -> float:
    return max(0.0, min(first.x2, second.x2) - max(first.x1, second.x1))


def _shared_height(first: Box, second: Box) -> float:
    return max(0.0, min(first.y2, second.y2) - max(first.y1, second.y1))
