"""From a decoded frame to RGB at the wanted size, turned as displayed: one conversion a frame and size."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from video.frames import Image

_UNSPECIFIED_COLORSPACE = 2
_SIDE_DATA: Any = SideDataContainer  # its stub leaves out how it is made and looked up
_HD_HEIGHT = 720  # from here on unlabelled video is BT.709, below BT.601: what players assume


@dataclass(frozen=True, slots=True, kw_only=True)
class Orientation:
    """How the stored picture becomes the displayed one: transposed first, then mirrored."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def rotation(self) -> int:
        """Degrees counterclockwise (0, 90, 180, 270) by which the picture is turned; mirroring left out."""
        if self.transpose:
            return 90 if self.flip_y else 270
        return 180 if self.flip_y else 0

    def apply(self, image: Image) -> Image:
        """The image [H, W, 3] as displayed (a view)."""
        turned = image.transpose(1, 0, 2) if self.transpose else image
        return turned[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]


def orientation_of(frame: VideoFrame) -> Orientation:
    """What the frame's display matrix says; angles between are rounded to a right one."""
    # Not `frame.side_data`: that property ties the frame to itself, and 1080p frames pile up by the hundred
    # until the cyclic garbage collector comes by.
    side = _SIDE_DATA(frame).get(SideDataType.DISPLAYMATRIX)
    if side is None:
        return Orientation()
    a, b, _, c, d = struct.unpack("=5i", bytes(side)[:20])
    # Displayed x = a * x + c * y and y = b * x + d * y, so the larger pair says which axis goes where.
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(flip_x=a < 0, flip_y=d < 0)
    return Orientation(transpose=True, flip_x=c < 0, flip_y=b < 0)


def fit(width: int, height: int, max_side: int | None) -> tuple[int, int]:
    """The size with its longest side at most `max_side`; never larger than it was, never below one pixel."""
    longest = max(width, height)
    if max_side is None or longest <= max_side:
        return width, height
    return max(round(width * max_side / longest), 1), max(round(height * max_side / longest), 1)


class Scaler:
    """Converts frames to RGB of one displayed size, keeping the conversion's tables between frames.

    `quick` shrinks 4:2:0 pictures before they become RGB: half the time, and colour at half the sharpness.
    """

    def __init__(self, width: int, height: int, *, quick: bool = False) -> None:
        self.width, self.height = width, height
        self._quick = quick
        self._shrinker, self._reformatter = VideoReformatter(), VideoReformatter()

    def convert(self, frame: VideoFrame, orientation: Orientation, *, out: Image | None = None) -> Image:
        """The frame as [height, width, 3] uint8 RGB, written into `out` when that is given."""
        width, height = (self.height, self.width) if orientation.transpose else (self.width, self.height)
        guess_709 = frame.colorspace == _UNSPECIFIED_COLORSPACE and frame.height >= _HD_HEIGHT
        if self._quick and frame.format.name == "yuv420p" and frame.width > width and frame.height > height:
            frame = self._shrinker.reformat(
                frame, width, height, "yuv420p", interpolation=Interpolation.AREA, threads=1
            )
        shrinks = frame.width > width or frame.height > height
        rgb = self._reformatter.reformat(
            frame,
            width,
            height,
            "rgb24",
            src_colorspace=Colorspace.ITU709 if guess_709 else None,
            interpolation=Interpolation.AREA if shrinks else Interpolation.BILINEAR,
            threads=1,
        )
        image: Image = orientation.apply(rgb.to_ndarray().astype(np.uint8, copy=False))
        if out is None:
            return np.ascontiguousarray(image)
        out[:] = image
        return out
