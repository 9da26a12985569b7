"""Boxes with labels on a picture, readable on any background."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from grounding.evidence import Box
from video.frames import Image
from video.output import whole_file

MAX_LABEL = 60
"""Characters of a label that are drawn; the rest is cut off."""

_COLOURS = ((255, 214, 10), (64, 224, 255), (255, 105, 180), (124, 252, 0), (255, 140, 26), (200, 160, 255))
_INK = (0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One box to draw, its label (any text; unprintable characters are left out), and how sure it is."""

    box: Box
    label: str
    confidence: float | None = None


def draw(image: Image, items: Sequence[Mark]) -> Image:
    """A copy of `image` [H, W, 3] uint8 RGB with the boxes on it; the same label has the same colour."""
    height, width = image.shape[:2]
    canvas = Pillow.fromarray(np.ascontiguousarray(image))
    pen = ImageDraw.Draw(canvas)
    thickness = max(round(max(width, height) / 320), 1)
    font = ImageFont.load_default(size=max(round(max(width, height) / 45), 11))
    for item in items:
        _outline(pen, _corners(item.box, width, height), thickness, colour_of(item.label))
    for item in items:  # after all boxes, so that no line crosses a label
        _label(pen, item, font=font, size=(width, height), thickness=thickness)
    return np.asarray(canvas)


def write_png(image: Image, out: str | os.PathLike[str]) -> None:
    """Write `image` [H, W, 3] uint8 RGB as a PNG, whole or not at all. Errors as `output.whole_file`."""
    with whole_file(out, suffix=".png") as part:
        Pillow.fromarray(np.ascontiguousarray(image)).save(part, format="PNG")


def colour_of(label: str) -> tuple[int, int, int]:
    return _COLOURS[zlib.crc32(label.encode(errors="replace")) % len(_COLOURS)]


def clean_label(text: str) -> str:
    """The text as one short line without control, bidirectional or other unprintable characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * MAX_LABEL]).split())
    return line if len(line) <= MAX_LABEL else line[: MAX_LABEL - 1] + "…"


def _corners(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """First and last pixel of the box; a box always has at least one pixel."""
    left, top = min(int(box.x1 * width), width - 1), min(int(box.y1 * height), height - 1)
    right = max(min(round(box.x2 * width), width) - 1, left)
    bottom = max(min(round(box.y2 * height), height) - 1, top)
    return left, top, right, bottom


def _outline(
    pen: ImageDraw.ImageDraw,
    corners: tuple[int, int, int, int],
    thickness: int,
    colour: tuple[int, int, int],
) -> None:
    """A coloured line between two dark ones: one of them stands out whatever is behind."""
    left, top, right, bottom = corners
    for inset, ink in ((-1, _INK), (thickness, _INK), *((n, colour) for n in range(thickness))):
        if right - inset >= left + inset and bottom - inset >= top + inset:
            pen.rectangle((left + inset, top + inset, right - inset, bottom - inset), outline=ink)


def _label(
    pen: ImageDraw.ImageDraw,
    item: Mark,
    *,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    size: tuple[int, int],
    thickness: int,
) -> None:
    text = clean_label(item.label)
    if item.confidence is not None:
        text = f"{text} {item.confidence:.0%}".strip()
    if not text:
        return
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    pad = thickness + 1
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    box_left, box_top, _, _ = _corners(item.box, *size)
    x = int(max(min(box_left, size[0] - width), 0))
    above = box_top - height - 1
    y = int(above if above >= 0 else min(box_top, max(size[1] - height, 0)))
    pen.rectangle((x, y, x + width, y + height), fill=colour_of(item.label), outline=_INK)
    pen.text((x + pad - left, y + pad - top), text, font=font, fill=_INK)
