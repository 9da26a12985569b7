"""Frames made into the patches that a vision tower reads: resized, normalised, cut and ordered.

Shapes: T frames, H rows, W columns, C channels; N patches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engines.qwen.shapes import VisionShape
from video.frames import Images

Bytes = npt.NDArray[np.uint8]

MOST_STRETCHED = 200
"""The largest ratio of sides that Qwen-VL takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """Mean and standard deviation of each channel, of values 0..1."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def apply(self, patches: Tensor, *, shape: VisionShape) -> Tensor:
        """uint8 patches [N, patch values] as float32, on the device that they are on."""
        each = shape.patch_values // shape.channels
        mean, std = (
            torch.tensor(v, dtype=torch.float32, device=patches.device).mul(255).repeat_interleave(each)
            for v in (self.mean, self.std)
        )
        return (patches.float() - mean) / std


def fitted(width: int, height: int, *, step: int, least: int, most: int) -> tuple[int, int]:
    """The nearest size (width, height) in multiples of `step` px with `least` to `most` pixels, aspect kept.

    The rule of Qwen-VL's processors. Raises ValueError for a frame more than 200 times as long as wide.
    """
    if max(width, height) > MOST_STRETCHED * min(width, height):
        raise ValueError(f"a frame of {width} x {height} px is too stretched; at most {MOST_STRETCHED} to 1")
    columns, rows = (round(side / step) for side in (width, height))
    if columns * rows * step**2 > most:
        shrink = math.sqrt(width * height / most)
        columns, rows = (max(1, math.floor(side / shrink / step)) for side in (width, height))
    elif columns * rows * step**2 < least:
        grow = math.sqrt(least / (width * height))
        columns, rows = (math.ceil(side * grow / step) for side in (width, height))
    return columns * step, rows * step


def resized(frames: Images, size: tuple[int, int]) -> Images:
    """Frames [T, H, W, 3] at `size` (width, height), bicubic as in the processors; or as they are."""
    from PIL import Image

    if frames.shape[2::-1][:2] == size:
        return frames
    return np.stack([np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BICUBIC)) for f in frames])


def patches(
    frames: Images, groups: Sequence[Sequence[int]], *, shape: VisionShape
) -> tuple[Bytes, tuple[int, int]]:
    """uint8 [N, patch values] of the pictures that `groups` of frames make, and the rows and columns of one's
    patches.

    Patches come picture by picture, in squares of merge x merge, each C x T x P x P.
    """
    rows, columns = frames.shape[1] // shape.patch, frames.shape[2] // shape.patch
    stacked = frames[np.asarray(groups)]  # [G, T, H, W, C]
    merge, side = shape.merge, shape.patch
    cut = stacked.reshape(
        len(groups), shape.temporal, rows // merge, merge, side, columns // merge, merge, side, shape.channels
    )
    ordered = cut.transpose(0, 2, 5, 3, 6, 8, 1, 4, 7)  # G, row and column of square, within it, C, T, P, P
    return np.ascontiguousarray(ordered.reshape(-1, shape.patch_values)), (rows, columns)
