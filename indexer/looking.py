"""The hand of a worker: opens files, decodes, asks the engine, and gives back finished rows.

All that touches the content of a file happens here, in a process that can be spared. The engine and the
embedder are made once a worker, when they are first needed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Protocol, runtime_checkable

from engines.contract import Engine
from grounding.errors import EngineError, MediaError, OutOfMemory
from indexer.answering import Answered, answer_ahead
from indexer.damage import told_cut_off
from indexer.embedding import Embedder, Remembering
from indexer.identify import recognise
from indexer.identity import Stamp, check_unchanged
from indexer.orders import (
    EngineFacts,
    Examine,
    Examined,
    Failed,
    Gone,
    Introduce,
    Loading,
    Look,
    Looked,
    Order,
    Oversized,
    Recognise,
    Refused,
    Told,
)
from indexer.pipeline import as_asked, rows_of, skipped_rows
from indexer.reading import Cut, cut, plan, read_ahead
from indexer.timing import Stopwatch
from storage.faults import point
from storage.rows import StoredQuestion
from video.frames import VideoInfo
from video.probe import probe
from video.stillness import Stillness, stillness

MAX_FAILURES_IN_A_ROW = 3
"""So many windows of one order that fail one after the other end it: the rest would fail as well."""

MIN_WINDOW_S = 2.0
"""A window that is too much for the device is not halved below this."""

REMEMBERED_FILES = 8

log = logging.getLogger(__name__)


@runtime_checkable
class Loadable(Protocol):
    """An engine whose models can be loaded before the first clip."""

    def load(self) -> None: ...


@runtime_checkable
class OnDevice(Protocol):
    """An engine that can run on more than a CPU. `device_type`: "cpu", "cuda"."""

    @property
    def device_type(self) -> str: ...


class Looker:
    """Works off the orders of `indexer.orders`; several at a time, each from a thread of its own."""

    def __init__(
        self,
        *,
        engine: Callable[[], Engine],
        embedder: Callable[[], Embedder],
        seal: Callable[[], object],
        fetches: bool = False,
    ) -> None:
        """`seal` is called before the first file is opened, and takes the network away. An engine that
        `fetches` its models is made before that.
        """
        self._make = engine
        self._engine: Engine | None = None
        self._embedder = Remembering(embedder)
        self._seal = seal
        self._fetches = fetches
        self._is_sealed = False
        self._is_loaded = False
        self._making = Lock()
        self._examined = lru_cache(maxsize=REMEMBERED_FILES)(self._examine_file)

    def do(self, order: Order) -> Generator[Told, None, None]:
        """Pieces as `indexer.orders` says. Raises EngineError when the engine can't be had."""
        if isinstance(order, Introduce):
            engine = self._the_engine()
            device = engine.device_type if isinstance(engine, OnDevice) else "cpu"
            facts = EngineFacts(
                name=engine.name, fingerprint=engine.fingerprint, spec=engine.spec, device=device
            )
            yield Told(value=facts)
            return
        self._prepare()
        stopwatch = Stopwatch()
        if isinstance(order, Look):
            yield from self._look(order, stopwatch)
        elif isinstance(order, Recognise):
            outcome = recognise(order.found, stopwatch=stopwatch)
            point("worker:recognised")
            yield Told(value=outcome, spent=stopwatch.taken())
        else:
            value = self._examine(order, stopwatch)
            point("worker:examined")
            yield Told(value=value, spent=stopwatch.taken())

    def close(self) -> None:
        """Let go of the engine."""
        if self._engine is not None:
            self._engine.close()

    def _prepare(self) -> None:
        if self._fetches:
            self._the_engine()
        with self._making:
            if not self._is_sealed:
                self._seal()
                self._is_sealed = True

    def _the_engine(self) -> Engine:
        with self._making:
            if self._engine is None:
                self._engine = self._make()
            return self._engine

    def _load(self) -> None:
        """A missing model is no video's fault, and is raised as it is."""
        engine = self._the_engine()
        assert isinstance(engine, Loadable)
        with self._making:
            if not self._is_loaded:
                engine.load()
            self._is_loaded = True

    def _examine(self, order: Examine, stopwatch: Stopwatch) -> Examined | Refused:
        try:
            with stopwatch.on("probe"):
                info, still = self._examined(order.path, order.stamp)
                windows = cut(info, self._the_engine().spec, still=still)
        except EngineError:
            raise
        except Exception as error:
            return Refused(reason=reason_of(error))
        return Examined(windows=windows, note=_cut_off(info))

    def _examine_file(self, path: Path, stamp: Stamp) -> tuple[VideoInfo, Stillness]:
        info = probe(path)
        check_unchanged(path, stamp)
        return info, stillness(info) if self._the_engine().spec.skip_still else Stillness()

    def _look(self, order: Look, stopwatch: Stopwatch) -> Iterator[Told]:
        spec = self._the_engine().spec
        try:
            with stopwatch.on("probe"):
                info, still = self._examined(order.path, order.stamp)
            cuts = plan(info, order.windows, spec=spec, still=still)
        except Exception as error:
            yield Told(value=Refused(reason=reason_of(error)), spent=stopwatch.taken())
            return
        with read_ahead(order.path, cuts, spec=spec) as readings:
            if not self._is_loaded and isinstance(self._the_engine(), Loadable):
                yield Told(value=Loading(), spent=stopwatch.taken())
                with stopwatch.on("load"):
                    self._load()  # while the first window is decoded
            questions = [as_asked(question) for question in order.questions]
            answers = answer_ahead(readings, questions, engine=self._the_engine(), stopwatch=stopwatch)
            with closing(answers):
                yield from self._windows(order, cuts, answers, stopwatch)

    def _windows(
        self, order: Look, cuts: tuple[Cut, ...], answers: Iterator[Answered], stopwatch: Stopwatch
    ) -> Iterator[Told]:
        failed_in_a_row = 0
        for number in range(len(cuts)):
            answered = next(answers)
            point("worker:answered")
            stopwatch.add("read", answered.reading.cost_s)
            value = self._window(number, answered, order=order, stopwatch=stopwatch)
            del answered  # or its frames stay in memory while the next window is waited for
            yield Told(value=value, spent=stopwatch.taken())
            failed_in_a_row = failed_in_a_row + 1 if isinstance(value, Failed) else 0
            if isinstance(value, Gone) or failed_in_a_row >= MAX_FAILURES_IN_A_ROW:
                return

    def _window(
        self, number: int, answered: Answered, *, order: Look, stopwatch: Stopwatch
    ) -> Looked | Failed | Oversized | Gone:
        try:
            # What was decoded belongs to this video only if the file is still the one that was hashed.
            check_unchanged(order.path, order.stamp)
        except MediaError as error:
            return Gone(reason=error.reason)
        try:
            return self._rows(number, answered, order.questions, stopwatch)
        except Exception as error:  # the one place where a window's failure is caught, whatever it is
            log.info("window failed", extra={"file": order.path.name}, exc_info=error)
            return Failed(number=number, reason=reason_of(error))

    def _rows(
        self,
        number: int,
        answered: Answered,
        questions: tuple[StoredQuestion, ...],
        stopwatch: Stopwatch,
    ) -> Looked | Oversized:
        window, error = answered.reading.cut.window, answered.error
        if isinstance(error, OutOfMemory):
            if window.end_s - window.start_s >= 2 * MIN_WINDOW_S:
                return Oversized(number=number)
            return Looked(number=number, rows=skipped_rows(window, questions, reason=str(error)))
        if error is not None:
            raise error
        assert answered.reading.clip is not None
        rows = rows_of(
            answered.reading.clip,
            answered.pairs,
            questions,
            spec=self._the_engine().spec,
            embedder=self._embedder,
            stopwatch=stopwatch,
        )
        point("worker:embedded")
        return Looked(number=number, rows=rows)


def _cut_off(info: VideoInfo) -> str | None:
    """What is said of a file whose header lists frames beyond its end."""
    return told_cut_off(info.missing_s) if info.missing_s > 0 else None


def reason_of(error: Exception) -> str:
    """What went wrong, without the path, which stands beside it."""
    if isinstance(error, MediaError):
        return error.reason
    return str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"
