"""One clip's world: what is in it, where it is in every frame, and what happens when.

Shapes: N things, T frames. Positions are pixels of a SIDE_PX square; boxes x1, y1, x2, y2 in 0..1. Things
move in straight lines and bounce off the walls; a thing of a higher number lies above one of a lower.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from training.world.happenings import Happening, happenings
from training.world.levels import SIDE_PX, World
from training.world.names import COLOURS, SHAPES, is_held_out
from training.world.pictures import Cutouts, shape_masks

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_PAIRS = [(colour, shape) for colour in COLOURS for shape in SHAPES]
_HELD = np.array([is_held_out(*pair) for pair in _PAIRS])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """The truth of a clip.

    `sprites` [N]: a shape, or len(SHAPES) + a cut-out; `tint` [N, 3] its colour, 0..255; `mirrored` [N]: left
    for right. `present` [N, T] says when a thing is in view, `hidden` [N, T] which share of it others cover,
    `flashing` [N, T] when it is white, `digits` [N, T] which digit it shows (-1: none). `zone` is a marked
    box in 0..1, or None.
    `askable` [N]: what questions may be about.
    """

    names: tuple[str, ...]
    sprites: Ints = field(repr=False)
    tint: Ints = field(repr=False)
    mirrored: Bools = field(repr=False)
    times_s: Floats
    centres: Floats = field(repr=False)  # [N, T, 2] px
    radii: Floats = field(repr=False)  # [N, 2] px
    masks: Bools = field(repr=False)  # [N, SIDE, SIDE]
    present: Bools = field(repr=False)
    flashing: Bools = field(repr=False)
    digits: Ints = field(repr=False)
    hidden: Floats = field(repr=False)
    zone: Floats | None
    askable: Bools
    happenings: tuple[Happening, ...]
    paths: Paths = field(repr=False)
    look_seed: int

    @property
    def boxes(self) -> Floats:
        """[N, T, 4] in 0..1 of the frame."""
        return (
            np.concatenate([self.centres - self.radii[:, None], self.centres + self.radii[:, None]], -1)
            / SIDE_PX
        )

    @property
    def visible(self) -> Bools:
        """[N, T] in view and at most half covered."""
        return self.present & (self.hidden < 0.5)

    def at(self, times_s: Floats) -> Scene:
        """The same world sampled at other times: what is on at a frame is on from half way to its
        neighbours.
        """
        middles = (self.times_s[1:] + self.times_s[:-1]) / 2
        nearest = np.searchsorted(middles, times_s, side="right")
        centres = self.paths.at(times_s)
        return _replaced(self, nearest, times_s, centres)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Where things are at any time: `start` [N, 2] and `velocity` [N, 2], px and px/s, in the room that a
    thing's centre has, [N, 2].
    """

    start: Floats
    velocity: Floats
    room: Floats
    radii: Floats

    def at(self, times_s: Floats) -> Floats:
        """[N, T, 2] centres in px."""
        unfolded = self.start[:, None] + self.velocity[:, None] * times_s[:, None]
        room = self.room[:, None]
        return np.abs((unfolded + room) % (2 * room) - room) + self.radii[:, None]


def sample_scene(rng: np.random.Generator, *, world: World, cutouts: Cutouts) -> Scene:
    """A world drawn from `rng`; equal state, equal world."""
    count = int(rng.integers(world.things[0], world.things[1] + 1))
    times_s = np.round(np.arange(world.frames) * rng.uniform(0.5, 1.0), 1)
    names, sprites, tint, aspect, askable = _cast(rng, count, world, cutouts)
    order = rng.permutation(count)
    sprites, tint, aspect, askable = sprites[order], tint[order], aspect[order], askable[order]
    showing = rng.random(count) < world.show_chance
    showing[-1] = True  # the topmost: at least one digit can be read
    radii = _radii(rng, showing, aspect, world)
    paths = _paths(rng, radii, world)
    centres = paths.at(times_s)
    present, flashing, digits = _schedule(rng, showing, world)
    boxes = np.concatenate([centres - radii[:, None], centres + radii[:, None]], -1)
    hidden = hidden_share(boxes, present)
    mirrored = rng.random(count) < 0.5
    masks = _masks(sprites, mirrored, cutouts)
    zone = _zone(rng) if rng.random() < world.zone_chance else None
    return Scene(
        names=tuple(names[k] for k in order),
        sprites=sprites,
        tint=tint,
        mirrored=mirrored,
        times_s=times_s,
        centres=centres,
        radii=radii,
        present=present,
        flashing=flashing,
        digits=digits,
        hidden=hidden,
        zone=zone,
        askable=askable,
        masks=masks,
        happenings=happenings(
            centres=centres,
            radii=radii,
            masks=masks,
            present=present,
            hidden=hidden,
            flashing=flashing,
            digits=digits,
            zone=None if zone is None else zone * SIDE_PX,
        ),
        paths=paths,
        look_seed=int(rng.integers(1 << 31)),
    )


def _masks(sprites: Ints, mirrored: Bools, cutouts: Cutouts) -> Bools:
    """What each thing covers of its box."""
    shapes = shape_masks()
    drawn = [shapes[s] if s < len(SHAPES) else cutouts.mask[s - len(SHAPES)] for s in sprites]
    return np.stack([m[:, ::-1] if turned else m for m, turned in zip(drawn, mirrored, strict=True)])


Cast = tuple[list[str], Ints, Ints, Floats, Bools]


def _cast(rng: np.random.Generator, count: int, world: World, cutouts: Cutouts) -> Cast:
    """Names (no two alike), sprites, tints, aspects and what may be asked about."""
    objects = _objects(rng, count // 2, world, cutouts) if world.objects else []
    pairs = _pairs(rng, count - len(objects), world)
    names = [" ".join(_PAIRS[p]) for p in pairs] + [cutouts.kind[k] for k in objects]
    sprites = [SHAPES.index(_PAIRS[p][1]) for p in pairs] + [len(SHAPES) + k for k in objects]
    tint = [COLOURS[_PAIRS[p][0]] for p in pairs] + [_light(rng) for _ in objects]
    aspect = [1.0] * len(pairs) + [float(np.clip(cutouts.aspect[k], 0.5, 2.0)) for k in objects]
    if world.asked_held_out == "pairs":
        askable = [bool(_HELD[p]) for p in pairs] + [False] * len(objects)
    elif world.asked_held_out == "objects":
        askable = [False] * len(pairs) + [cutouts.held_out[k] for k in objects]
    else:
        askable = [True] * count
    return names, np.array(sprites), np.array(tint), np.array(aspect), np.array(askable)


def _light(rng: np.random.Generator) -> tuple[int, ...]:
    """The colour of the light on a picture: never twice the same, so that it is not known by its colours."""
    return tuple(int(v) for v in rng.uniform(0.65, 1.0) * rng.uniform(0.8, 1.0, 3) * 255)


def _pairs(rng: np.random.Generator, count: int, world: World) -> list[int]:
    """Numbers of colour-shape pairs: held-out ones only, and half of them, where they are asked about."""
    if world.asked_held_out != "pairs":
        return [int(p) for p in rng.choice(np.flatnonzero(~_HELD), count, replace=False)]
    held = min((count + 1) // 2, int(_HELD.sum()))
    chosen = [rng.choice(np.flatnonzero(_HELD), held, replace=False)]
    chosen += [rng.choice(np.flatnonzero(~_HELD), count - held, replace=False)]
    return [int(p) for p in np.concatenate(chosen)]


def _objects(rng: np.random.Generator, count: int, world: World, cutouts: Cutouts) -> list[int]:
    """Numbers of cut-outs, each of another kind."""
    kinds = cutouts.of_kind(held_out=world.asked_held_out == "objects")
    if not kinds:
        return []
    chosen = rng.choice(sorted(kinds), min(count, len(kinds)), replace=False)
    return [int(rng.choice(kinds[kind])) for kind in chosen]


def _radii(rng: np.random.Generator, showing: Bools, aspect: Floats, world: World) -> Floats:
    radius = rng.uniform(*world.radius_px, len(showing))
    radius[showing] = rng.uniform(*world.radius_of_showing_px, int(showing.sum()))
    stretch = np.sqrt(aspect)
    return np.stack([radius * stretch, radius / stretch], -1)


def _paths(rng: np.random.Generator, radii: Floats, world: World) -> Paths:
    count = len(radii)
    speed, angle = rng.uniform(0, world.speed_px_s, count), rng.uniform(0, 2 * np.pi, count)
    room = SIDE_PX - 2 * radii
    return Paths(
        start=rng.uniform(0, 1, (count, 2)) * room,
        velocity=speed[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1),
        room=room,
        radii=radii,
    )


def _schedule(rng: np.random.Generator, showing: Bools, world: World) -> tuple[Bools, Bools, Ints]:
    """When each thing is in view, flashes and shows which digit."""
    count, frames = len(showing), world.frames
    present = np.ones((count, frames), bool)
    flashing = np.zeros((count, frames), bool)
    digits = np.full((count, frames), -1)
    for k in range(count):
        first, last = 0, frames - 1
        if frames >= 8 and rng.random() < world.view_chance:
            length = int(rng.integers(5, frames - 1))
            first = int(rng.integers(0, frames - length + 1))
            last = first + length - 1
            present[k] = False
            present[k, first : last + 1] = True
        # It must also be seen in its own colour, and a flash of one frame could not be told as a stretch.
        if rng.random() < world.flash_chance and last - first >= 2:
            _put(rng, flashing[k], True, (first, last), lengths=(2, min(4, last - first + 1)))
        if showing[k]:
            _put_digits(rng, digits[k], (first, last), shows=int(rng.integers(1, world.shows + 1)))
    return present, flashing, digits


def _put_digits(rng: np.random.Generator, row: Ints, span: tuple[int, int], *, shows: int) -> None:
    """So many digits one after the other, all different, each in its own part of the span."""
    borders = np.linspace(span[0], span[1] + 1, shows + 1).astype(int)
    for place, digit in enumerate(rng.permutation(10)[:shows]):
        # A frame without a digit parts it from the next one.
        last = borders[place + 1] - (2 if place < shows - 1 else 1)
        if last >= borders[place]:
            _put(rng, row, int(digit), (int(borders[place]), int(last)), lengths=(2, 5))


def _put(
    rng: np.random.Generator,
    row: Bools | Ints,
    value: bool | int,
    span: tuple[int, int],
    *,
    lengths: tuple[int, int],
) -> None:
    first, last = span
    length = min(int(rng.integers(*lengths)), last - first + 1)
    begin = int(rng.integers(first, last - length + 2))
    row[begin : begin + length] = value


def hidden_share(boxes_NT4: Floats, present: Bools) -> Floats:
    """[N, T] which share of a thing's box those above it cover, at most 1."""
    corners = np.maximum(boxes_NT4[:, None, :, :2], boxes_NT4[None, :, :, :2])
    ends = np.minimum(boxes_NT4[:, None, :, 2:], boxes_NT4[None, :, :, 2:])
    shared = np.clip(ends - corners, 0, None).prod(-1) * present[None]
    above = np.triu(np.ones((len(present), len(present)), bool), 1)[:, :, None]
    area = (boxes_NT4[..., 2:] - boxes_NT4[..., :2]).prod(-1)
    covered: Floats = (shared * above).sum(1) / area
    return np.minimum(covered, 1.0)


def _zone(rng: np.random.Generator) -> Floats:
    size = rng.uniform(0.28, 0.45, 2)
    corner = rng.uniform(0.02, 0.98 - size)
    return np.concatenate([corner, corner + size])


def _replaced(scene: Scene, nearest: Ints, times_s: Floats, centres: Floats) -> Scene:
    return replace(
        scene,
        times_s=times_s,
        centres=centres,
        present=scene.present[:, nearest],
        flashing=scene.flashing[:, nearest],
        digits=scene.digits[:, nearest],
        hidden=scene.hidden[:, nearest],
        happenings=(),
    )
