"""How a Qwen-VL engine cuts and samples its video and writes its answers; each is part of the fingerprint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from engines.qwen.sampling import Sampling

_WHOLE = ("max_frames", "max_side", "least_pixels", "most_pixels", "rows", "clips_at_once")


@dataclass(frozen=True, kw_only=True)
class QwenSettings:
    """`window_s` and `overlap_s` in seconds, `rate_hz` frames a second, `max_side` in px; `least_pixels` and
    `most_pixels` of a frame after resizing. `rows`: answers written at once. `clips_at_once`: clips that are
    put to the network together. A checkpoint may bring its own values, but those of `sampling`.
    """

    window_s: float = 20.0
    overlap_s: float = 0.0
    rate_hz: float = 2.0
    max_frames: int = 40
    max_side: int = 448
    least_pixels: int = 56 * 56
    most_pixels: int = 448 * 448
    rows: int = 32
    clips_at_once: int = 4
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        for name in _WHOLE:
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")
        for name in ("window_s", "rate_hz"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be a number above 0, not {value!r}")
        if not 0 <= self.overlap_s < self.window_s:
            raise ValueError(f"overlap_s must be from 0 to below {self.window_s}, not {self.overlap_s!r}")
        if self.least_pixels > self.most_pixels:
            raise ValueError(f"least_pixels {self.least_pixels} is above most_pixels {self.most_pixels}")

    @classmethod
    def of_clips(cls, clips: int) -> QwenSettings:
        """For `clips` at once, with room for four answers to each, and never fewer rows than else."""
        return cls(clips_at_once=clips, rows=max(4 * clips, cls.rows))

    def at_rate(self, rate_hz: float) -> QwenSettings:
        """These at so many frames a second, with room for all frames of a window."""
        return replace(
            self, rate_hz=rate_hz, max_frames=max(self.max_frames, math.ceil(rate_hz * self.window_s))
        )

    def of_checkpoint(self, own: Mapping[str, Any]) -> QwenSettings:
        """These settings with those that a checkpoint's config names. Raises ValueError for a wrong one."""
        known = [f.name for f in fields(self) if f.name not in ("sampling", "rows", "clips_at_once")]
        given = {key: value for key, value in own.items() if key != "layout"}
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ValueError(f"unknown setting {unknown[0]!r}; there are layout, {', '.join(known)}")
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{name} must be a number, not {value!r}")
        return replace(self, **given)
