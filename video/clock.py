"""Seconds and ticks of one stream, turned into each other without drift."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from grounding.evidence import Span

TIME_TOLERANCE = Fraction(1, 1_000_000)
"""A time up to so many seconds before a frame's pts means that frame: times are rounded on their way."""


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of a stream whose tick is `time_base` seconds."""

    time_base: Fraction

    def seconds(self, ticks: int) -> float:
        return float(ticks * self.time_base)

    def first_tick(self, time_s: float) -> int:
        """The first tick that is not before `time_s`: where a half-open window begins or ends."""
        return math.ceil((Fraction(time_s) - TIME_TOLERANCE) / self.time_base)

    def ticks(self, times_s: Sequence[float]) -> list[int]:
        """The last tick not after each of `times_s`. Raises ValueError unless they rise."""
        ticks = [math.floor((Fraction(t) + TIME_TOLERANCE) / self.time_base) for t in times_s]
        if any(after < before for before, after in pairwise(ticks)):
            raise ValueError(f"times must rise, not {list(times_s)}; sort them")
        return ticks

    def bounds(self, window: Span) -> tuple[int, int]:
        """The window as a half-open range of ticks."""
        return self.first_tick(window.start_s), self.first_tick(window.end_s)

    def span(self, ticks: tuple[int, int]) -> Span:
        return Span(self.seconds(ticks[0]), self.seconds(ticks[1]))
