"""Clips changed so that a right answer must have another reason: what a model owes to what it sees.

blind        every frame is black
shuffled     the frames stand at each other's times
mask-cited   what the first answer pointed at is painted over, and the question asked again
mask-random  as much is painted over elsewhere in the same frames
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from grounding.evidence import Box, Claim
from grounding.geometry import boxes_array, iou_matrix
from video.frames import Clip, Images

Control = Literal["blind", "shuffled", "mask-cited", "mask-random"]
CONTROLS: tuple[Control, ...] = get_args(Control)
MASKS = ("mask-cited", "mask-random")

REACH_S = 1.0
"""Frames as near as this to a claim's time are painted over with it: the next ones show nearly the same."""

PAINT = 127
_TRIES = 50


def blind(clip: Clip) -> Clip:
    """The clip without a picture."""
    return replace(clip, images=np.zeros_like(clip.images))


def shuffled(clip: Clip, *, rng: np.random.Generator) -> Clip:
    """The frames in another order, at the same times."""
    count = len(clip.images)
    order = rng.permutation(count)
    while count > 1 and (order == np.arange(count)).all():
        order = rng.permutation(count)
    return replace(clip, images=clip.images[order])


def masked(clip: Clip, claims: Sequence[Claim], *, rng: np.random.Generator | None) -> Clip:
    """The clip with the claims' boxes painted over or, with `rng`, as large boxes elsewhere."""
    images = clip.images.copy()
    cited = [box for claim in claims for box in claim.boxes]
    for claim in claims:
        near = np.abs(clip.times_s - claim.time_s) <= REACH_S
        for box in claim.boxes:
            _paint(images, near, box if rng is None else elsewhere(box, cited, rng=rng))
    return replace(clip, images=images)


def elsewhere(box: Box, cited: Sequence[Box], *, rng: np.random.Generator) -> Box:
    """A box of the same size at a random place, clear of all that was cited where there is room."""
    width, height = box.x2 - box.x1, box.y2 - box.y1
    corners = rng.uniform((0.0, 0.0), (1.0 - width, 1.0 - height), (_TRIES, 2))
    places = np.clip(np.hstack([corners, corners + np.array((width, height))]), 0.0, 1.0)
    overlap = iou_matrix(places, boxes_array(cited)).sum(axis=1)
    return Box(*places[int(overlap.argmin())].tolist())


def _paint(images: Images, frames: npt.NDArray[np.bool_], box: Box) -> None:
    height, width = images.shape[1:3]
    rows = slice(int(np.floor(box.y1 * height)), int(np.ceil(box.y2 * height)))
    columns = slice(int(np.floor(box.x1 * width)), int(np.ceil(box.x2 * width)))
    images[np.flatnonzero(frames), rows, columns] = PAINT
