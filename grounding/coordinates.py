"""How a model writes a box, and how Proofreel keeps it.

Inside Proofreel a box is 0..1 of the displayed frame. Qwen3-VL reads and writes 0..1000 relative to the
frame ("relative-1000"); Qwen2.5-VL reads and writes pixels of the resized frame it was fed ("pixels").
Training data (STGR) keep boxes as they are, to four decimals ("relative-1"). One function each way; nothing
else knows the conventions.
"""

from __future__ import annotations

from typing import Literal

from grounding.evidence import Box

Coordinates = Literal["relative-1000", "pixels", "relative-1"]

_DECIMALS = 4


def scale_of(coordinates: Coordinates, frame_size: tuple[int, int] | None = None) -> tuple[int, int]:
    """What stands for the full width and height of the frame in the text.

    `frame_size` is (width, height) in px of the resized frame that the model was fed; "pixels" needs it.
    Raises ValueError when it is missing or not positive, or when the convention is unknown.
    """
    if coordinates == "relative-1000":
        return (1000, 1000)
    if coordinates == "relative-1":
        return (1, 1)
    if coordinates != "pixels":
        raise ValueError(
            f"unknown coordinates {coordinates!r}: use 'relative-1000', 'pixels' or 'relative-1'"
        )
    if frame_size is None or frame_size[0] < 1 or frame_size[1] < 1:
        raise ValueError(
            f"'pixels' coordinates need the width and height of the frame the model was fed, not {frame_size}"
        )
    return frame_size


def to_text(
    box: Box, *, coordinates: Coordinates, frame_size: tuple[int, int] | None = None
) -> tuple[float, float, float, float]:
    """The four numbers that stand for `box` in this convention, rounded to the nearest: whole ones, but in
    "relative-1".
    """
    width, height = scale_of(coordinates, frame_size)
    if coordinates == "relative-1":
        x1, y1, x2, y2 = (round(side, _DECIMALS) for side in (box.x1, box.y1, box.x2, box.y2))
        return (x1, y1, x2, y2)
    return (round(box.x1 * width), round(box.y1 * height), round(box.x2 * width), round(box.y2 * height))


def from_text(
    corners: tuple[float, float, float, float],
    *,
    coordinates: Coordinates,
    frame_size: tuple[int, int] | None = None,
) -> Box:
    """The box for four numbers as a model of this convention writes them.

    Raises ValueError when they are not finite, inverted, or outside the frame.
    """
    width, height = scale_of(coordinates, frame_size)
    x1, y1, x2, y2 = corners
    return Box(x1 / width, y1 / height, x2 / width, y2 / height)
