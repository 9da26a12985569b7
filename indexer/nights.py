"""One call of `index`, written into the home's log of nights, however it ends."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from grounding.errors import StorageError
from indexer.orders import EngineFacts
from indexer.report import IndexReport, Stage
from indexer.timing import Stopwatch
from storage import Database
from storage.nights import NightEnd, begin_night, end_night, name_engine
from storage.paths import path_to_text


class NightLog:
    """The row of this call. A context manager: what goes wrong inside is the row's fault, and raised on.

    A call that is killed leaves a row without an end.
    """

    def __init__(self, database: Database, *, library: str, stopwatch: Stopwatch) -> None:
        self._database = database
        self._stopwatch = stopwatch
        self._cpu_before_s = _cpu_s()
        with database.writing() as session:
            self._id = begin_night(session, library=library)

    def uses(self, engine: EngineFacts) -> None:
        """Name the engine, and what it runs on."""
        with self._database.writing() as session:
            name_engine(session, self._id, engine=engine.name, device=engine.device)

    def end(self, report: IndexReport) -> IndexReport:
        """Keep what the night did; gives the report back. A home that can't be written keeps the start."""
        end = NightEnd(
            ending=report.ending,
            fault=report.fault,
            files={str(status): count for status, count in report.totals.files.items()},
            failures=[(path_to_text(file.path), file.reason or "") for file in report.failed],
            video_s=report.totals.video_seconds,
            cpu_s=_cpu_s() - self._cpu_before_s,
            spent_s=_by_name(report.totals.spent),
        )
        self._write(end)
        return report

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if error is not None:
            spent = _by_name(self._stopwatch.spent)
            cpu_s = _cpu_s() - self._cpu_before_s
            fault = str(error) or type(error).__name__
            self._write(
                NightEnd(
                    ending="failed",
                    fault=fault,
                    files={},
                    failures=(),
                    video_s=0.0,
                    cpu_s=cpu_s,
                    spent_s=spent,
                )
            )

    def _write(self, end: NightEnd) -> None:
        # The night's own fault is told by its report; a disk that is full says nothing new here.
        with suppress(StorageError), self._database.writing() as session:
            end_night(session, self._id, end)


def _by_name(spent: Mapping[Stage, float]) -> dict[str, float]:
    return {str(stage): seconds for stage, seconds in spent.items()}


def _cpu_s() -> float:
    """Processor seconds of this process and of those that it has started and seen end."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
