"""Stretches of one video laid over each other: every second is told once, by what counts most.

Windows overlap, and several jobs look at the same seconds. Damage wins, so that nothing damaged is ever taken
for seen; then what was sampled, what was still, what was skipped. Pure, and the order doesn't count: painting
piece by piece gives the same as painting all at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple, TypeVar

K = TypeVar("K", bound=tuple[object, ...])

RANK = {"damaged": 0, "sampled": 1, "still": 2, "skipped": 3}


class Stretch(NamedTuple):
    """Half open, in seconds of the file. `kind` is one of `RANK`. A tuple, because there are millions."""

    start_s: float
    end_s: float
    kind: str
    reason: str | None


def painted(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The union of the stretches, in order, without overlap, no two that touch alike."""
    tiles = layered((s.start_s, s.end_s, (RANK[s.kind], s.reason or "", s.kind)) for s in stretches)
    return [Stretch(start_s, end_s, kind, reason or None) for start_s, end_s, (_, reason, kind) in tiles]


def layered(layers: Iterable[tuple[float, float, K]]) -> list[tuple[float, float, K]]:
    """The union of (start, end, key), in order, without overlap: where several lie, the least key is on top.

    No two that touch have the same key.
    """
    waiting = sorted((layer for layer in layers if layer[0] < layer[1]), key=lambda layer: -layer[0])
    borders = sorted({t for layer in waiting for t in layer[:2]})
    here: list[tuple[K, float]] = []
    tiles: list[tuple[float, float, K]] = []
    for start_s, end_s in pairwise(borders):
        while waiting and waiting[-1][0] <= start_s:
            _, until_s, key = waiting.pop()
            heapq.heappush(here, (key, until_s))
        while here and here[0][1] <= start_s:
            heapq.heappop(here)
        if here:
            key = here[0][0]
            if tiles and tiles[-1][1] == start_s and tiles[-1][2] == key:
                start_s = tiles.pop()[0]
            tiles.append((start_s, end_s, key))
    return tiles


def clipped(stretches: Iterable[Stretch], *, start_s: float, end_s: float) -> list[Stretch]:
    """What of the stretches lies within a video: its last window may reach past its end."""
    return [
        Stretch(max(s.start_s, start_s), min(s.end_s, end_s), s.kind, s.reason)
        for s in stretches
        if s.start_s < end_s and s.end_s > start_s
    ]
