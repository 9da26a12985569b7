"""Times that a text names, set on the frames of the clip that it speaks of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grounding.evidence import Span
from video.frames import Clip

SNAP_S = 0.002  # texts carry milliseconds at best; a frame this near is the one that was meant


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """A time of the file: seconds, and the pts in the stream's time base."""

    time_s: float
    pts: int


class FrameTimes:
    """The known frames of a clip, asked for by time. `interval_s` is the wanted time between two samples."""

    def __init__(self, clip: Clip, *, interval_s: float) -> None:
        self.window = clip.window
        self.damaged = clip.damaged
        self._clip = clip
        self._reach_s = interval_s / 2 + SNAP_S
        self._known_s, self._known_pts = _known(clip)
        self._shown = {
            int(pts): Span(max(begin_s, clip.window.start_s), min(begin_s + length_s, clip.window.end_s))
            for pts, begin_s, length_s in zip(
                clip.pts, clip.times_s.tolist(), clip.durations_s.tolist(), strict=True
            )
        }

    def sampled(self, time_s: float) -> Instant | None:
        """The sampled frame that a claim at `time_s` speaks of, or None when none is near enough.

        It is the one on display then, or begins within `SNAP_S`; else the nearest, at most half a sampling
        interval away.
        """
        clip = self._clip
        if not len(clip.times_s):
            return None
        early_s = clip.times_s - time_s
        late_s = time_s - (clip.times_s + clip.durations_s)
        away_s = np.maximum(np.maximum(early_s - SNAP_S, late_s), 0.0)
        nearest = np.flatnonzero(away_s == away_s.min())
        index = int(nearest[np.abs(early_s[nearest]).argmin()])
        if away_s[index] > self._reach_s:
            return None
        return Instant(time_s=float(clip.times_s[index]), pts=int(clip.pts[index]))

    def covering(self, span: Span, *, shown_pts: Iterable[int]) -> Span:
        """`span`, and all the time that the sampled frames with these pts are on display in the window.

        A frame that is on display when the span begins does not make it begin earlier.
        """
        shown = [self._shown[pts] for pts in shown_pts]
        begins = [frame.start_s for frame in shown if frame.end_s <= span.start_s]
        ends = [frame.end_s for frame in shown]
        return Span(min([span.start_s, *begins]), max([span.end_s, *ends]))

    def snapped(self, time_s: float) -> Instant:
        """`time_s` on the known frame, sampled or dense, that is at most `SNAP_S` away; else as it stands."""
        if len(self._known_s):
            index = int(np.abs(self._known_s - time_s).argmin())
            if abs(self._known_s[index] - time_s) <= SNAP_S:
                return Instant(time_s=float(self._known_s[index]), pts=int(self._known_pts[index]))
        return Instant(time_s=time_s, pts=round(time_s / self._clip.time_base))


def _known(clip: Clip) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    if clip.dense is None:
        return clip.times_s, clip.pts
    times_s = np.concatenate([clip.times_s, clip.dense.times_s])
    return times_s, np.concatenate([clip.pts, clip.dense.pts])
