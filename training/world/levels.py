"""How full and how hard a world is, and which things its clips may show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

LevelName = Literal["plain", "hard"]
SplitName = Literal["train", "iid", "pairs", "objects", "longer", "clutter"]
LEVELS: tuple[LevelName, ...] = get_args(LevelName)
SPLITS: tuple[SplitName, ...] = get_args(SplitName)

SIDE_PX = 128
"""Width and height of a clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One distribution of clips. `things` and `radius_px` are ranges (least, most); chances are 0..1.

    `shows` is the most digits that one thing shows, one after the other. `objects`: half of the things are
    cut-outs, where there are any. `asked_held_out` names what alone is asked about: held-out "pairs" or
    "objects"; else everything is.
    """

    level: LevelName
    split: SplitName
    frames: int
    things: tuple[int, int]
    radius_px: tuple[float, float]
    radius_of_showing_px: tuple[float, float]
    speed_px_s: float = 16.0
    view_chance: float = 0.5
    flash_chance: float = 0.4
    show_chance: float = 0.3
    zone_chance: float = 0.5
    shows: int = 1
    objects: bool = False
    asked_held_out: Literal["pairs", "objects"] | None = None

    @property
    def most_things(self) -> int:
        return self.things[1]


FRAMES = 12
"""Frames of a clip, but for the longer ones."""

_PLAIN = World(
    level="plain",
    split="train",
    frames=FRAMES,
    things=(3, 6),
    radius_px=(9.0, 20.0),
    radius_of_showing_px=(13.0, 20.0),
)
_HARD = World(
    level="hard",
    split="train",
    frames=FRAMES,
    things=(10, 12),
    radius_px=(7.0, 14.0),
    radius_of_showing_px=(9.0, 14.0),
    view_chance=0.35,
    flash_chance=0.3,
    show_chance=0.25,
    shows=2,
    objects=True,
)


def world(level: LevelName, split: SplitName, *, frames: int | None = None) -> World:
    """The distribution of a level and a split. Raises ValueError for "objects" on the plain level."""
    base = replace({"plain": _PLAIN, "hard": _HARD}[level], split=split)
    if frames is not None:
        base = replace(base, frames=frames)
    if split == "pairs":
        return replace(base, asked_held_out="pairs")
    if split == "objects":
        if not base.objects:
            raise ValueError(
                "split objects needs cut-outs, which the plain level has none of: use --level hard"
            )
        return replace(base, asked_held_out="objects")
    if split == "longer":
        return replace(base, frames=base.frames * 4 // 3)
    if split == "clutter":
        return replace(base, things=(base.things[1] + 1, base.things[1] * 4 // 3))
    return base
