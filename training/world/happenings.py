"""What happens in a clip, found in its truth.

A happening is kept only when its borders are clear: two things touch, or a thing is in the zone, only where
the frames around it are clearly without.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from training.world.touching import contact

Verb = Literal["view", "flash", "show", "touch", "zone"]

CLEAR_PX = 1.5
"""How deep in, or far out, a thing's middle must be to count as in the zone or out of it."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """`thing` does `verb` from frame `first` to frame `last`: it is in view (not before or after), flashes,
    shows `digit`, touches thing `other`, or has its middle in the zone.
    """

    verb: Verb
    thing: int
    first: int
    last: int
    other: int = -1
    digit: int = -1


def happenings(
    *,
    centres: Floats,
    radii: Floats,
    masks: Bools,
    present: Bools,
    hidden: Floats,
    flashing: Bools,
    digits: Ints,
    zone: Floats | None,
) -> tuple[Happening, ...]:
    """Everything that happens, by the frame in which it begins. `zone` in px."""
    frames = present.shape[1]
    found: list[Happening] = []
    for k in range(len(present)):
        for first, last in runs(present[k]):
            if last - first + 1 < frames:
                found.append(Happening(verb="view", thing=k, first=first, last=last))
        for first, last in runs(flashing[k] & present[k]):
            found.append(Happening(verb="flash", thing=k, first=first, last=last))
        for first, last in runs(digits[k] >= 0):
            digit = int(digits[k, first])
            found.append(Happening(verb="show", thing=k, first=first, last=last, digit=digit))
    found += _touches(centres, radii, masks, present, hidden)
    if zone is not None:
        found += _in_zone(centres, present, hidden, zone)
    return tuple(sorted(found, key=lambda h: (h.first, h.last, h.thing)))


def runs(row: Bools) -> list[tuple[int, int]]:
    """First and last index of every unbroken run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _touches(
    centres: Floats, radii: Floats, masks: Bools, present: Bools, hidden: Floats
) -> Iterator[Happening]:
    """Pairs that touch in one run of frames, and are clearly apart in all others."""
    gap = (np.abs(centres[:, None] - centres[None]) - (radii[:, None] + radii[None])[:, :, None]).max(-1)
    always = np.all(present & (hidden < 0.8), axis=1)
    near = np.any(gap < 0, axis=-1) & always[:, None] & always[None]
    for i, j in zip(*np.nonzero(np.triu(near, 1)), strict=True):
        touching, apart = contact(int(i), int(j), centres=centres, radii=radii, masks=masks)
        found = runs(touching)
        if len(found) == 1 and np.all(touching | apart) and not np.all(touching):
            (first, last), *_ = found
            yield Happening(verb="touch", thing=int(i), other=int(j), first=first, last=last)


def _in_zone(centres: Floats, present: Bools, hidden: Floats, zone: Floats) -> Iterator[Happening]:
    """Things whose centre is in the zone in one run of frames, and clearly outside it in all others."""
    middle, half = (zone[:2] + zone[2:]) / 2, (zone[2:] - zone[:2]) / 2
    outside: Floats = (np.abs(centres - middle) - half).max(-1)  # [N, T] px; below zero it is in
    clear = np.all((np.abs(outside) > CLEAR_PX) & present & (hidden < 0.8), axis=1)
    inside = outside < 0
    for k in np.flatnonzero(clear & inside.any(1) & ~inside.all(1)):
        found = runs(inside[k])
        if len(found) == 1:
            (first, last), *_ = found
            yield Happening(verb="zone", thing=int(k), first=first, last=last)
