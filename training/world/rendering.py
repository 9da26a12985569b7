"""Scenes made into frames: the same pixels on a CPU as, to a rounding, on a GPU.

Shapes: B clips, N things, T frames, side SIDE_PX. Each pixel shows the topmost thing that covers it; what
varies between clips (background, noise) is drawn from the scene's own seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from training.world.levels import SIDE_PX
from training.world.names import SHAPES
from training.world.pictures import DIGIT_COLUMNS, DIGIT_ROWS, SIDE, Cutouts, digit_masks, shape_masks
from training.world.scene import Scene

GRIDS = (3, 9, 33)
"""Points across of the random grids that a background is mixed from."""

NOISE_SIDE = 256
MOST_NOISE = 0.06
GLYPH = (0.42, 0.68)
"""Half width and half height of a digit, in radii of the thing that shows it."""

Arrays = dict[str, npt.NDArray[np.generic]]


def scene_arrays(scenes: Sequence[Scene], *, things: int, frames: int | None = None) -> Arrays:
    """Scenes as arrays [B, N, ...], N = `things` with the rest out of view. After a scene's own frames come
    empty ones, to T = `frames` (None: as many as the longest scene has).
    """
    length = frames or max(len(scene.times_s) for scene in scenes)
    stacked = [_of_scene(scene, things=things, frames=length) for scene in scenes]
    return {name: np.stack([arrays[name] for arrays in stacked]) for name in stacked[0]}


def _of_scene(scene: Scene, *, things: int, frames: int) -> Arrays:
    look = np.random.default_rng(scene.look_seed)
    each, at_each = (things,), (things, frames)
    arrays: Arrays = {
        "centre": _padded(scene.centres.astype(np.float32), to=at_each),
        "radius": _padded(scene.radii.astype(np.float32), to=each, fill=1.0),
        "sprite": _padded(scene.sprites.astype(np.int32), to=each),
        "tint": _padded(scene.tint.astype(np.uint8), to=each),
        "mirrored": _padded(scene.mirrored, to=each),
        "present": _padded(scene.present, to=at_each),
        "flashing": _padded(scene.flashing, to=at_each),
        "digit": _padded(scene.digits.astype(np.int8), to=at_each, fill=-1),
        "zone": np.full(4, -1.0, np.float32)
        if scene.zone is None
        else (scene.zone * SIDE_PX).astype(np.float32),
        "noise": np.array(look.uniform(0.0, MOST_NOISE), np.float32),
        "noise_at": _padded(
            look.integers(0, NOISE_SIDE, (len(scene.times_s), 2)).astype(np.int32), to=(frames,)
        ),
    }
    weights = look.dirichlet((1.0, 1.5, 1.0)) * look.uniform(0.2, 0.5)
    for points, weight in zip(GRIDS, weights, strict=True):
        arrays[f"grid{points}"] = (look.random((3, points, points)) * weight).astype(np.float32)
    arrays["base"] = look.uniform(0.08, 0.3, 3).astype(np.float32)
    return arrays


def _padded(
    values: npt.NDArray[np.generic], *, to: tuple[int, ...], fill: float = 0
) -> npt.NDArray[np.generic]:
    """The values at the beginning of an array whose first axes are as long as `to` says."""
    padded = np.full((*to, *values.shape[len(to) :]), fill, values.dtype)
    padded[tuple(slice(length) for length in values.shape)] = values
    return padded


def tensors(arrays: Mapping[str, npt.NDArray[np.generic]]) -> dict[str, Tensor]:
    """The arrays as tensors that share their memory."""
    return {name: torch.from_numpy(np.asarray(array)) for name, array in arrays.items()}


class Renderer:
    """Draws batches of scenes on `device`. Holds the pictures that things may have."""

    def __init__(self, cutouts: Cutouts, *, device: torch.device | str = "cpu") -> None:
        shapes = shape_masks()
        masks = np.concatenate([shapes, cutouts.mask])
        white = np.full((len(SHAPES), SIDE, SIDE, 3), 255, np.uint8)
        self._masks = torch.from_numpy(masks.reshape(-1)).to(device)
        texels = np.concatenate([white, cutouts.rgb]).reshape(-1, 3)
        self._texels = torch.from_numpy(texels.copy()).to(device)
        self._digits = torch.from_numpy(digit_masks().reshape(-1)).to(device)
        self._at = torch.arange(SIDE_PX, device=device) + 0.5
        table = np.random.default_rng(0).standard_normal((3, NOISE_SIDE, NOISE_SIDE))
        self._noise = torch.from_numpy(table.astype(np.float32)).to(device)

    @torch.no_grad()
    def __call__(self, scene: Mapping[str, Tensor]) -> Tensor:
        """uint8 frames [B, T, 3, SIDE_PX, SIDE_PX] of a batch of `scene_arrays`."""
        picture = self._background(scene)
        picture = self._draw_things(scene, picture)
        picture = picture + self._noise_of(scene)
        return (picture.clamp(0, 1) * 255).round().to(torch.uint8)

    def _background(self, scene: Mapping[str, Tensor]) -> Tensor:
        """[B, 1, 3, side, side] in 0..1, with the outline of the zone on it."""
        picture = scene["base"][:, :, None, None]
        for points in GRIDS:
            grid = scene[f"grid{points}"]
            picture = picture + torch.nn.functional.interpolate(grid, size=SIDE_PX, mode="bilinear")
        x1, y1, x2, y2 = (scene["zone"][:, k, None, None] for k in range(4))
        x, y = self._at[None, None, :], self._at[None, :, None]
        inside = (x > x1) & (x < x2) & (y > y1) & (y < y2)
        core = (x > x1 + 2) & (x < x2 - 2) & (y > y1 + 2) & (y < y2 - 2)
        return torch.where((inside & ~core)[:, None], 0.95, picture)[:, None]

    def _draw_things(self, scene: Mapping[str, Tensor], picture: Tensor) -> Tensor:
        things, frames = scene["centre"].shape[1:3]
        size = (len(picture), frames, SIDE_PX, SIDE_PX)
        texel = torch.full(size, -1, dtype=torch.int32, device=picture.device)
        top = torch.zeros(size, dtype=torch.int32, device=picture.device)
        across = torch.zeros(size, device=picture.device)
        down = torch.zeros(size, device=picture.device)
        for k in range(things):
            centre = scene["centre"][:, k, :, :, None, None]  # [B, T, 2, 1, 1]
            radius = scene["radius"][:, k, None, :, None, None]  # [B, 1, 2, 1, 1]
            u = ((self._at - centre[:, :, 0]) / radius[:, :, 0]).expand(size)
            v = ((self._at[:, None] - centre[:, :, 1]) / radius[:, :, 1]).expand(size)
            turned = torch.where(scene["mirrored"][:, k, None, None, None], -u, u)
            place = self._texel_of(scene["sprite"][:, k, None, None, None], turned, v)
            inside = (u.abs() < 1) & (v.abs() < 1) & scene["present"][:, k, :, None, None]
            digit = scene["digit"][:, k, :, None, None]
            is_picture = scene["sprite"][:, k, None, None, None] >= len(SHAPES)
            hit = inside & (self._masks[place] | (is_picture & _plate(digit, u, v)))
            texel = torch.where(hit, place, texel)
            top = torch.where(hit, k, top)
            across, down = torch.where(hit, u, across), torch.where(hit, v, down)
        return self._coloured(scene, picture, texel, top, across, down)

    @staticmethod
    def _texel_of(sprite: Tensor, u: Tensor, v: Tensor) -> Tensor:
        column = ((u + 1) * (SIDE / 2)).int().clamp(0, SIDE - 1)
        row = ((v + 1) * (SIDE / 2)).int().clamp(0, SIDE - 1)
        return sprite * (SIDE * SIDE) + row * SIDE + column

    def _coloured(
        self, scene: Mapping[str, Tensor], picture: Tensor, texel: Tensor, top: Tensor, u: Tensor, v: Tensor
    ) -> Tensor:
        """The colour of every covered pixel: picture x tint, white in a flash, with the digit on it."""
        clips = torch.arange(len(top), device=top.device)[:, None, None, None]
        frame = torch.arange(top.shape[1], device=top.device)[None, :, None, None]
        colour = self._texels[texel.clamp_min(0)].float() * (scene["tint"][clips, top].float() / (255 * 255))
        colour = torch.where(scene["flashing"][clips, top, frame][..., None], 1.0, colour)
        digit = scene["digit"][clips, top, frame].int()
        is_picture = scene["sprite"][clips, top] >= len(SHAPES)
        stroke, plate = self._glyph(digit, u, v)
        dark = colour.mean(-1) > 0.5
        colour = torch.where((plate & is_picture)[..., None], 1.0, colour)
        ink = torch.where(is_picture | dark, 0.0, 1.0)
        colour = torch.where(stroke[..., None], ink[..., None], colour)
        return torch.where((texel >= 0)[:, :, None], colour.permute(0, 1, 4, 2, 3), picture)

    def _glyph(self, digit: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Where the strokes of a digit are, and the plate that pictures have behind it."""
        column = ((u / GLYPH[0] + 1) * (DIGIT_COLUMNS / 2)).floor().int()
        row = ((v / GLYPH[1] + 1) * (DIGIT_ROWS / 2)).floor().int()
        inside = (column >= 0) & (column < DIGIT_COLUMNS) & (row >= 0) & (row < DIGIT_ROWS) & (digit >= 0)
        place = digit.clamp_min(0) * (DIGIT_ROWS * DIGIT_COLUMNS)
        place = place + row.clamp(0, DIGIT_ROWS - 1) * DIGIT_COLUMNS + column.clamp(0, DIGIT_COLUMNS - 1)
        return inside & self._digits[place], _plate(digit, u, v)

    def _noise_of(self, scene: Mapping[str, Tensor]) -> Tensor:
        """Grain: one table read from another place in every frame."""
        at = torch.arange(SIDE_PX, device=self._at.device)
        rows = (scene["noise_at"][..., 0, None] + at) % NOISE_SIDE  # [B, T, side]
        columns = (scene["noise_at"][..., 1, None] + at) % NOISE_SIDE
        grain = self._noise[:, rows[..., :, None], columns[..., None, :]]  # [3, B, T, side, side]
        return grain.permute(1, 2, 0, 3, 4) * scene["noise"][:, None, None, None, None]


def _plate(digit: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Where the plate is that pictures have behind a digit; it is whole also where they have holes."""
    return (u.abs() < GLYPH[0] + 0.12) & (v.abs() < GLYPH[1] + 0.12) & (digit >= 0)
