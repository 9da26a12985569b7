"""`index` without a PATH: the libraries of the settings one after the other, the most urgent first."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grounding.errors import EngineError, HomeBusy, StorageError
from indexer.indexing import index_into
from indexer.progress import Reporter
from indexer.report import Ending, IndexReport, Totals
from indexer.request import Request
from indexer.stopping import Stop, Stopped, StopReason
from storage import Database, HomeLock, Pruned, Retention, driving, prune

LOOK_EVERY_S = 1.0
"""So often a home that another process indexes into is looked at again."""

_NOTHING = Totals(
    files={}, video_seconds=0.0, wall_seconds=0.0, segments=0, moments=0, pending_seconds=0.0, spent={}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NightReport:
    """What became of each library, in the order in which they were done; `not_begun` names the others.

    `pruned` is what was deleted as too old, None where nothing was to be, or the night ended before it.
    `stopped` says why it was told to end, and `disk_fault` what is wrong with the disk, if anything is.
    """

    reports: tuple[IndexReport, ...]
    not_begun: tuple[str, ...] = ()
    pruned: Pruned | None = None
    stopped: StopReason | None = None
    disk_fault: str | None = None

    @property
    def ending(self) -> Ending:
        """Why it was told to end; else that of the first library that did not go to its end."""
        endings = [report.ending for report in self.reports]
        if self.stopped is not None:
            return self.stopped
        return next((ending for ending in endings if ending != "complete"), "complete")

    @property
    def faults(self) -> tuple[str, ...]:
        """What went wrong with the home or with an engine, each sentence once."""
        told = [*(report.fault for report in self.reports), self.disk_fault]
        return tuple(dict.fromkeys(fault for fault in told if fault is not None))

    @property
    def failed(self) -> bool:
        """Whether a file, an engine or the home failed."""
        return bool(self.faults) or any(report.failed for report in self.reports)

    def document(self) -> dict[str, Any]:
        """The report as "proofreel.index-libraries/1"."""
        return {
            "schema": "proofreel.index-libraries/1",
            "ending": self.ending,
            "libraries": [report.document() for report in self.reports],
            "not_begun": list(self.not_begun),
            "pruned": None if self.pruned is None else self.pruned.document(),
        }


def index_libraries(
    requests: Sequence[Request],
    *,
    home: Path,
    url: str | None = None,
    retentions: Sequence[Retention],
    reporter: Reporter,
    stop: Stop,
    waits: bool = False,
) -> NightReport:
    """Index into one home what each request asks, in this order, and then delete what is past its time.

    A library whose engine can't be loaded is told, and the next one is begun. With `waits` another process
    that indexes into the home is waited for, until `stop` says otherwise. Raises StorageError as
    `index_paths` does.
    """

    def waited_for(home: Path) -> HomeLock:
        return _lock(home, reporter=reporter, stop=stop)

    opened = ExitStack()
    try:
        database = opened.enter_context(driving(home, url=url, lock=waited_for if waits else HomeLock))
    except Stopped:
        names = tuple(request.library for request in requests)
        return NightReport(reports=(), not_begun=names, stopped=stop.reason())
    reports: list[IndexReport] = []
    not_begun: list[str] = []
    home_fails = False
    with opened:
        for request in requests:
            if home_fails or stop.reason() is not None:
                not_begun.append(request.library)
                continue
            try:
                reports.append(index_into(database, request, reporter=reporter, stop=stop))
                home_fails = reports[-1].ending == "failed"
            except EngineError as error:
                reports.append(_failed(request, error, reporter=reporter))
            except StorageError as error:
                if not reports:
                    raise
                reports.append(_failed(request, error, reporter=reporter))
                home_fails = True
        pruned = None if home_fails else _prune(database, retentions, reporter=reporter, stop=stop)
    return NightReport(
        reports=tuple(reports),
        not_begun=tuple(not_begun),
        pruned=pruned,
        stopped=stop.reason(),
        disk_fault=stop.disk_fault,
    )


def _lock(home: Path, *, reporter: Reporter, stop: Stop) -> HomeLock:
    """The home's lock, as soon as it is free. Raises HomeBusy when the time is over, and `Stopped`."""
    told = False
    while True:
        try:
            return HomeLock(home)
        except HomeBusy as error:
            if stop.reason() is not None:
                raise
            if not told:
                reporter.note(f"waiting: {error}")
            told = True
            with stop.at_once():
                time.sleep(LOOK_EVERY_S)


def prune_home(
    home: Path, retentions: Sequence[Retention], *, url: str | None, reporter: Reporter, stop: Stop
) -> None:
    """Delete what is past its time. Raises StorageError."""
    with driving(home, url=url) as database:
        _prune(database, retentions, reporter=reporter, stop=stop)


def _failed(request: Request, error: Exception, *, reporter: Reporter) -> IndexReport:
    reporter.note(f"library {request.library} was not indexed: {error}")
    return IndexReport(library=request.library, files=(), totals=_NOTHING, ending="failed", fault=str(error))


def _prune(
    database: Database, retentions: Sequence[Retention], *, reporter: Reporter, stop: Stop
) -> Pruned | None:
    """Not after a signal, which wants the end now: the next run does it."""
    if not retentions or stop.signal_number is not None:
        return None
    pruned = prune(database, retentions)
    if pruned.files or pruned.videos:
        reporter.note(pruned.told())
    return pruned
