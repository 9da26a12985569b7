"""Where the time of a run goes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from indexer.report import Stage


class Stopwatch:
    """Seconds of wall time by stage, summed over a run."""

    def __init__(self) -> None:
        self.spent: Counter[Stage] = Counter()

    @contextmanager
    def on(self, stage: Stage) -> Iterator[None]:
        """Time what is done inside."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - started)

    def add(self, stage: Stage, seconds: float) -> None:
        # A Counter holds what it is given; its type only speaks of integers.
        self.spent[stage] += seconds  # type: ignore[assignment]

    def taken(self) -> dict[Stage, float]:
        """What was spent since the last call, which begins anew."""
        spent: dict[Stage, float] = {**self.spent}
        self.spent.clear()
        return spent

    def include(self, spent: Mapping[Stage, float]) -> None:
        """Add what another stopwatch measured."""
        for stage, seconds in spent.items():
            self.add(stage, seconds)
