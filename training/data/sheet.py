"""All frames of an example on one sheet, with their times and the truth drawn on them."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from training.data.examples import Example
from video.drawing import Mark, draw
from video.frames import Image

CAPTION_PX = 16


def sheet(example: Example) -> Image:
    """[H, W, 3] uint8 RGB: frames in rows, as many columns as rows or one more, each under its time."""
    width, height = example.frame_size
    columns = math.ceil(math.sqrt(len(example.frames)))
    rows = math.ceil(len(example.frames) / columns)
    canvas = Pillow.new("RGB", (columns * width, rows * (height + CAPTION_PX)))
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=CAPTION_PX - 4)
    for place, (frame, time_s) in enumerate(zip(example.frames, example.times_s.tolist(), strict=True)):
        left, top = place % columns * width, place // columns * (height + CAPTION_PX)
        pen.text((left + 2, top + 1), f"{time_s:.2f} s", font=font, fill=(255, 255, 255))
        drawn = draw(frame, _marks(example, time_s))
        canvas.paste(Pillow.fromarray(drawn), (left, top + CAPTION_PX))
    return np.asarray(canvas)


def _marks(example: Example, time_s: float) -> list[Mark]:
    """The boxes of all evidence at the frame of that time."""
    return [
        Mark(box=box, label=claim.subject)
        for claim in example.truth.evidence
        if claim.time_s == time_s
        for box in claim.boxes
    ]
