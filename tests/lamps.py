"""Clips of a lamp that is lit at known times, and an `index` of them with the brightness engine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.indexing import index_paths
from indexer.progress import Reporter, Silent
from indexer.questions import question_set
from indexer.report import IndexReport
from indexer.request import Request
from indexer.stopping import Stop
from tests.brightness import BrightnessEngine
from tests.clips import Picture, make_clip
from tests.inline import looking

RATE_HZ = 10
NOON = datetime(2026, 11, 23, 12, 0)


def lamp_clip(
    path: Path, *, seconds: float = 4.0, lit: Sequence[tuple[float, float]] = ((1.0, 2.0),), **plan: Any
) -> Path:
    """A clip of 10 frames a second, bright in the half-open stretches `lit`, with some grain."""

    def picture(number: int) -> Picture:
        bright = any(start <= number / RATE_HZ < end for start, end in lit)
        grain = np.random.default_rng(number).integers(0, 20, (48, 64, 3), np.uint8)
        return grain + np.uint8(220 if bright else 10)

    return make_clip(
        path,
        frames=round(seconds * RATE_HZ),
        width=64,
        height=48,
        time_base=Fraction(1, RATE_HZ),
        picture=picture,
        options={"preset": "ultrafast", "g": "10"},
        **plan,
    )


class LetterEmbedder:
    """A small real embedder: a text's letters counted, as a unit vector of 26. Keeps its texts."""

    name = "letters"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.texts.extend(texts)
        counts = np.array(
            [[text.lower().count(chr(ord("a") + i)) for i in range(26)] for text in texts], np.float32
        )
        counts[:, 0] += 1e-3
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


@dataclass
class Night:
    """One home, indexed again and again: `run` gives the report, `engines` are those that were made."""

    home: Path
    engines: list[BrightnessEngine] = field(default_factory=list)
    embedder: LetterEmbedder = field(default_factory=LetterEmbedder)
    engine_options: dict[str, Any] = field(default_factory=dict)
    make: type[BrightnessEngine] = BrightnessEngine
    reporter: type[Silent] = Silent
    workers: int = 1

    def run(
        self,
        *paths: Path,
        questions: Sequence[str] = (),
        library: str = "default",
        retry: bool = False,
        beside: bool = False,
        stop: Stop | None = None,
    ) -> IndexReport:
        request = Request(
            paths=paths,
            home=self.home,
            library=library,
            questions=question_set(questions),
            executor=lambda: looking(self._make_engine, lambda: self.embedder, workers=self.workers),
            retry_quarantined=retry,
            beside=beside,
        )
        told = self.reporter(sys.stderr)
        return index_paths(
            request, reporter=stop.counting(told) if isinstance(stop, After) else told, stop=stop
        )

    @property
    def num_clips(self) -> int:
        """How many windows were shown to an engine, in all runs."""
        return sum(len(engine.clips) for engine in self.engines)

    def _make_engine(self) -> BrightnessEngine:
        self.engines.append(self.make(**self.engine_options))
        return self.engines[-1]


def statuses(report: IndexReport) -> dict[str, str]:
    return {file.path.name: file.status for file in report.files}


class After(Stop):
    """Stops as `--until` does once so many windows are done."""

    def __init__(self, windows: int) -> None:
        self.left = windows
        super().__init__(until=NOON, clock=lambda: NOON if self.left <= 0 else NOON - timedelta(hours=1))

    def counting(self, reporter: Reporter) -> Reporter:
        """A reporter that tells this of every window that is done."""
        told = reporter.segment_done

        def segment_done(path: Path, *, seconds: float) -> None:
            self.left -= 1
            told(path, seconds=seconds)

        reporter.segment_done = segment_done  # type: ignore[method-assign]
        return reporter
