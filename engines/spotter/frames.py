"""One clip as the eyes see it: its samples, every decoded picture where given, and how they match."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from engines.spotter.detector import SIDE
from engines.spotter.motion import Signature, changed_blocks, signature
from grounding.evidence import Span
from video.frames import Clip, DenseFrames, Image, Images


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`pictures` [M, S, S, 3] are all decoded frames of the window, or its samples where only those were
    given (`exact` is false then); `times_s` [M] are theirs, `ends_s` [M] when each gives way to the next.
    `at[i]` is the picture of sample i, or the nearest. `squeezed[i]` is sample i at 300x300. No picture
    lasts into damage, and none stands for a sample on the other side of it.
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


def sound_part(clip: Clip) -> Clip:
    """The clip without pictures from damaged time, should it have any."""
    kept = _in_sound_time(clip, clip.times_s)
    dense = clip.dense
    if dense is not None and not (kept_dense := _in_sound_time(clip, dense.times_s)).all():
        dense = DenseFrames(
            images=dense.images[kept_dense], pts=dense.pts[kept_dense], times_s=dense.times_s[kept_dense]
        )
    if kept.all():
        return clip if dense is clip.dense else replace(clip, dense=dense)
    return replace(
        clip,
        images=clip.images[kept],
        pts=clip.pts[kept],
        times_s=clip.times_s[kept],
        durations_s=clip.durations_s[kept],
        dense=dense,
    )


def arrange(clip: Clip) -> Seen:
    """Match the clip's samples (at least one) to its decoded frames (damaged ones are not among them).

    Where a sample stands between two damaged stretches without a decoded frame, the samples alone are used.
    """
    runs = _runs_of(clip, clip.times_s)
    if clip.dense is None or not set(runs) <= set(_runs_of(clip, clip.dense.times_s)):
        squeezed = tuple(squeeze(image) for image in clip.images)
        return _seen(
            clip, np.stack(squeezed), clip.times_s, tuple(range(len(squeezed))), squeezed, exact=False
        )
    pictures, times, pts = clip.dense.images, clip.dense.times_s, clip.dense.pts
    own = _runs_of(clip, times)
    at = tuple(
        int(np.where(own == run, np.abs(pts - p), np.inf).argmin())
        for p, run in zip(clip.pts, runs, strict=True)
    )
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


def picture_runs(seen: Seen) -> list[range]:
    """The pictures between one damaged stretch and the next, where there are any."""
    runs = _runs_of(seen.clip, seen.times_s)
    places = [0, *(int(k) + 1 for k in np.flatnonzero(np.diff(runs))), len(runs)]
    return [range(a, b) for a, b in pairwise(places)]


def sample_ranges(seen: Seen, cuts: Sequence[int]) -> list[range]:
    """The samples of each shot; a shot between two damaged stretches may have none."""
    starts = [shot.start_s for shot in shot_spans(seen, cuts)]
    times_s = seen.clip.times_s
    places = [0, *(int(np.searchsorted(times_s, t)) for t in starts[1:]), len(times_s)]
    return [range(a, b) for a, b in pairwise(places)]


def shot_spans(seen: Seen, cuts: Sequence[int]) -> tuple[Span, ...]:
    """The shots' spans, by the index of the first picture after each cut: they tile what is sound of the
    window. A damaged stretch ends the shot before it, and the one after it begins where the file is sound.
    """
    cuts_s = [float(seen.times_s[k]) for k in cuts]
    found: list[Span] = []
    for run in seen.clip.sound:
        times = [run.start_s, *(t for t in cuts_s if run.start_s < t < run.end_s), run.end_s]
        found.extend(Span(a, b) for a, b in pairwise(times))
    return tuple(found)


def _runs_of(clip: Clip, times_s: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Which of the clip's sound stretches each of these sound times lies in."""
    return np.searchsorted([run.start_s for run in clip.sound[1:]], times_s, side="right")


def _in_sound_time(clip: Clip, times_s: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """For each time whether the picture is sound; one from before the window is seen at its start."""
    seen_s = np.maximum(times_s, clip.window.start_s)
    sound = np.ones(len(times_s), bool)
    for damaged in clip.damaged:
        sound &= (seen_s < damaged.start_s) | (seen_s >= damaged.end_s)
    return sound


def _seen(
    clip: Clip,
    pictures: Images,
    times_s: npt.NDArray[np.float64],
    at: tuple[int, ...],
    squeezed: tuple[Image, ...],
    *,
    exact: bool,
) -> Seen:
    times_s = np.maximum(times_s, clip.window.start_s)
    last = max(clip.window.end_s, float(times_s[-1]))
    run_ends_s = [last if run.end_s == clip.window.end_s else run.end_s for run in clip.sound]
    ends_s = np.minimum(np.append(times_s[1:], last), np.take(run_ends_s, _runs_of(clip, times_s)))
    return Seen(
        clip=clip,
        pictures=pictures,
        times_s=times_s,
        ends_s=ends_s,
        at=at,
        squeezed=squeezed,
        signatures=tuple(signature(picture) for picture in squeezed),
        exact=exact,
    )
