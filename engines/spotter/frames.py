"""One clip as the eyes see it: its samples, every decoded picture where given, and how they match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from engines.spotter.detector import SIDE
from engines.spotter.motion import Signature, changed_blocks, signature
from grounding.evidence import Span
from video.frames import Clip, Image, Images


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`pictures` [M, S, S, 3] are all decoded frames of the window, or its samples where only those were
    given (`exact` is false then); `times_s` [M] are theirs, `ends_s` [M] when each gives way to the next.
    `at[i]` is the picture of sample i, or the nearest. `squeezed[i]` is sample i at 300x300.
    """

    clip: Clip
    pictures: Images = field(repr=False)
    times_s: npt.NDArray[np.float64]
    ends_s: npt.NDArray[np.float64]
    at: tuple[int, ...]
    squeezed: tuple[Image, ...] = field(repr=False)
    signatures: tuple[Signature, ...] = field(repr=False)
    exact: bool

    def same(self, one: int, other: int, *, noise: float) -> bool:
        """Whether two of `pictures` are the same within `noise`, so that a new look would tell nothing."""
        before, after = signature(self.pictures[one]), signature(self.pictures[other])
        return not changed_blocks(before, after, noise=noise).any()


def arrange(clip: Clip) -> Seen:
    """Match the clip's samples (at least one) to its decoded frames (damaged ones are not among them)."""
    if clip.dense is None or not len(clip.dense.images):
        squeezed = tuple(squeeze(image) for image in clip.images)
        return _seen(
            clip, np.stack(squeezed), clip.times_s, tuple(range(len(squeezed))), squeezed, exact=False
        )
    pictures, times, pts = clip.dense.images, clip.dense.times_s, clip.dense.pts
    at = tuple(int(np.abs(pts - p).argmin()) for p in clip.pts)
    whole = pictures.shape[1] == SIDE
    squeezed = tuple(
        pictures[k] if whole and pts[k] == p else squeeze(image)
        for k, p, image in zip(at, clip.pts, clip.images, strict=True)
    )
    return _seen(clip, pictures, times, at, squeezed, exact=True)


def squeeze(image: Image) -> Image:
    """The picture at the detector's 300x300, aspect not kept."""
    import cv2

    small: Image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return small


def whole(picture: Image) -> Image:
    """A decoded picture at the detector's size."""
    return picture if picture.shape[:2] == (SIDE, SIDE) else squeeze(picture)


def sample_ranges(seen: Seen, cuts: Sequence[int]) -> list[range]:
    """The samples of each shot, by the index of the first picture of every shot but the first."""
    borders = [seen.times_s[k] for k in cuts]
    places = [0, *(int(np.searchsorted(seen.clip.times_s, t)) for t in borders), len(seen.clip.times_s)]
    return [range(a, b) for a, b in pairwise(places)]


def shot_spans(seen: Seen, cuts: Sequence[int]) -> tuple[Span, ...]:
    """The shots' spans: they tile the window, each cut at the time of the first frame of the next shot."""
    window = seen.clip.window
    times = [window.start_s, *(float(seen.times_s[k]) for k in cuts), window.end_s]
    return tuple(Span(a, b) for a, b in pairwise(times))


def _seen(
    clip: Clip,
    pictures: Images,
    times_s: npt.NDArray[np.float64],
    at: tuple[int, ...],
    squeezed: tuple[Image, ...],
    *,
    exact: bool,
) -> Seen:
    last = max(clip.window.end_s, float(times_s[-1]))
    return Seen(
        clip=clip,
        pictures=pictures,
        times_s=times_s,
        ends_s=np.append(times_s[1:], last),
        at=at,
        squeezed=squeezed,
        signatures=tuple(signature(picture) for picture in squeezed),
        exact=exact,
    )
