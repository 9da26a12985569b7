"""What every annotation tool says, once it is read: things followed through frames, and events over frames.

Frames are counted from 0 in display order. Boxes are 0..1 of the displayed frame. Only key frames are kept,
so that a track of an hour costs no more than what somebody drew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from grounding.evidence import Box

MAX_BYTES = 1 << 30
"""A file of annotations may be so long; it is far more than anyone draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Where something is in one frame."""

    frame: int
    box: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Frames in which something is in view without a break: from the first key to `last`, that included.

    Between two keys a box moves evenly from the one to the other; after the last it stays.
    """

    keys: tuple[Key, ...]
    last: int

    @property
    def first(self) -> int:
        return self.keys[0].frame

    def box_at(self, frame: int) -> Box:
        """Its box in a frame of the stretch."""
        assert self.first <= frame <= self.last, (frame, self.first, self.last)
        place = bisect_right(self.keys, frame, key=lambda key: key.frame) - 1
        before = self.keys[place]
        if place + 1 == len(self.keys) or before.frame == frame:
            return before.box
        after = self.keys[place + 1]
        return between(before.box, after.box, (frame - before.frame) / (after.frame - before.frame))


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One thing, with the stretches in which it is in view, in order. `number` is what its tool calls it."""

    label: str
    number: str
    stretches: tuple[Stretch, ...]

    def stretch_at(self, frame: int) -> Stretch | None:
        """The stretch that holds the frame, or None where the thing is out of view."""
        return next((s for s in self.stretches if s.first <= frame <= s.last), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happens, over the frames `first` to `last`, both included."""

    label: str
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated:
    """The annotations of one video, called `video` by its tool ("" where it has no name).

    `size` is the width and height in px of the frames as annotated, where that is said. `left_out` counts
    what was annotated and can't be used, by reason.
    """

    video: str
    tracks: tuple[Track, ...]
    events: tuple[Event, ...] = ()
    size: tuple[int, int] | None = None
    left_out: Counter[str] = field(default_factory=Counter)


def between(a: Box, b: Box, share: float) -> Box:
    """The box that lies `share` (0..1) of the way from `a` to `b`."""
    sides = zip((a.x1, a.y1, a.x2, a.y2), (b.x1, b.y1, b.x2, b.y2), strict=True)
    x1, y1, x2, y2 = (start + (end - start) * share for start, end in sides)
    return Box(x1, y1, x2, y2)


def clipped(x1: float, y1: float, x2: float, y2: float) -> Box | None:
    """The part of a box that lies in the frame (corners 0..1, or beyond); None where nothing does."""
    inside = [min(max(side, 0.0), 1.0) for side in (x1, y1, x2, y2)]
    if not (inside[0] < inside[2] and inside[1] < inside[3]):  # NaN lands here too
        return None
    return Box(*inside)


def runs(keys: Iterable[Key], *, following: dict[int, int] | None = None) -> tuple[Stretch, ...]:
    """Keys of single frames as stretches: a frame goes on in the next one that was annotated.

    `following` gives the annotated frame after each (None: frames follow each other one by one).
    """
    stretches: list[Stretch] = []
    run: list[Key] = []
    for key in sorted(keys, key=lambda key: key.frame):
        if run and key.frame == run[-1].frame:
            continue  # the same thing twice in a frame: the first counts
        expected = run[-1].frame + 1 if run else -1
        if run and following is not None:
            expected = following.get(run[-1].frame, -1)
        if run and key.frame != expected:
            stretches.append(Stretch(keys=tuple(run), last=run[-1].frame))
            run = []
        run.append(key)
    if run:
        stretches.append(Stretch(keys=tuple(run), last=run[-1].frame))
    return tuple(stretches)
