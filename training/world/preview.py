"""Scenes as video files, with their truth drawn or as they are."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from grounding.evidence import Box, Span
from training.world.rendering import Renderer, scene_arrays, tensors
from training.world.scene import Scene
from video.clips import write_frames
from video.drawing import Mark, draw
from video.frames import Frame, Image

RATE_HZ = 20.0
_CRF = 10
"""Small moving things with sharp edges lose too much at H.264's usual quality."""


def write_scene(
    scene: Scene, out: str | os.PathLike[str], *, renderer: Renderer, with_truth: bool = False, scale: int = 1
) -> None:
    """Write a scene as H.264 MP4, RATE_HZ frames a second, each side `scale` times as long.

    `with_truth` draws the box and the name of all that is in view. Raises ValueError for another suffix than
    .mp4, MediaError where it can't be written.
    """
    step_s = float(scene.times_s[1] - scene.times_s[0]) if len(scene.times_s) > 1 else 1.0
    span = Span(0.0, float(scene.times_s[-1]) + step_s)
    write_frames(_frames(scene, span, renderer, with_truth, scale), span, out, crf=_CRF)


def _frames(scene: Scene, span: Span, renderer: Renderer, with_truth: bool, scale: int) -> Iterator[Frame]:
    times_s = np.arange(round(span.end_s * RATE_HZ)) / RATE_HZ
    dense = scene.at(times_s)
    made = renderer(tensors(scene_arrays([dense], things=len(dense.names))))[0]
    for k, image in enumerate(made.permute(0, 2, 3, 1).numpy()):
        large: Image = np.repeat(np.repeat(image, scale, axis=0), scale, axis=1)
        shown = draw(large, _marks(dense, k)) if with_truth else large
        yield Frame(image=shown, pts=k, time_s=float(times_s[k]), duration_s=1 / RATE_HZ)


def _marks(scene: Scene, frame: int) -> list[Mark]:
    corners = np.clip(scene.boxes[:, frame], 0.0, 1.0)
    return [
        Mark(box=Box(*corners[k].tolist()), label=scene.names[k])
        for k in np.flatnonzero(scene.present[:, frame])
    ]
