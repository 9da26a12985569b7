"""Clips of a screen: a desktop on which a dialog with drawn text comes up and goes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from grounding import Span
from video.frames import Clip, DenseFrames, Image

RATE_HZ = 2
DENSE_HZ = 10
DIALOG_S = (4.0, 8.0)
LINES = ("Error 504", "Connection lost", "Retry")


def desktop(time_s: float) -> Image:
    """640 x 360 px: a plain desktop, with the dialog while it is open."""
    picture = np.full((360, 640, 3), (60, 90, 120), np.uint8)
    if DIALOG_S[0] <= time_s < DIALOG_S[1]:
        cv2.rectangle(picture, (140, 80), (500, 280), (245, 245, 245), -1)
        for row, line in enumerate(LINES):
            at = (180, 140 + 50 * row)
            cv2.putText(picture, line, at, cv2.FONT_HERSHEY_SIMPLEX, 1.1, (20, 20, 20), 2, cv2.LINE_AA)
    return picture


def dialog_clip() -> Clip:
    """Ten seconds at two frames a second, every frame squeezed as well; the file starts at 0 s."""
    times = np.arange(10 * RATE_HZ) / RATE_HZ
    dense = np.arange(10 * DENSE_HZ) / DENSE_HZ
    squeezed = np.stack([cv2.resize(desktop(t), (300, 300)) for t in dense])
    return Clip(
        path=Path("dialog"),
        time_base=Fraction(1, 1000),
        window=Span(0.0, 10.0),
        images=np.stack([desktop(t) for t in times]),
        pts=(times * 1000).astype(np.int64),
        times_s=times,
        durations_s=np.full(len(times), 1 / DENSE_HZ),
        dense=DenseFrames(images=squeezed, pts=(dense * 1000).astype(np.int64), times_s=dense),
    )
