"""An engine whose device may run out of memory: fewer clips at once are tried before a clip is given up."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Condition

from engines.contract import ClipSpec, Engine, Question, Reply
from grounding.coordinates import Coordinates
from grounding.errors import OutOfMemory
from video.frames import Clip

log = logging.getLogger(__name__)


class Sparing:
    """`engine`, asked about at most `at_once` clips at a time by however many threads.

    `at_once` begins at the engine's own number and is halved each time that the device runs out of memory;
    it stays there, for the next clips are no smaller. Raises `OutOfMemory` for a clip that doesn't fit alone.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.name = engine.name
        self.at_once = engine.spec.clips_at_once
        self._num_inside = 0
        self._changed = Condition()

    @property
    def fingerprint(self) -> str:
        return self.engine.fingerprint

    @property
    def coordinates(self) -> Coordinates:
        return self.engine.coordinates

    @property
    def spec(self) -> ClipSpec:
        return self.engine.spec

    def answer(self, clip: Clip, questions: Sequence[Question]) -> list[Reply]:
        while True:
            with self._inside() as at_once:
                try:
                    return self.engine.answer(clip, questions)
                except OutOfMemory:
                    if at_once == 1:
                        raise
            self._halve(at_once)

    def close(self) -> None:
        self.engine.close()

    @contextmanager
    def _inside(self) -> Iterator[int]:
        """Wait for a place; gives how many there were when it was taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._num_inside < self.at_once)
            self._num_inside += 1
            at_once = self.at_once
        try:
            yield at_once
        finally:
            with self._changed:
                self._num_inside -= 1
                self._changed.notify_all()

    def _halve(self, before: int) -> None:
        """Unless another clip of the same batch has done it."""
        with self._changed:
            if self.at_once == before:
                self.at_once = max(before // 2, 1)
                log.warning("out of device memory: %d clips at once from now on", self.at_once)
