"""`index`: every file under the given paths is named, and every video among them looked at, once.

First all files are recognised, so that the work is known; then video after video is done. A job for all that
was asked is kept before the first frame is decoded. Whatever is committed stays, whenever this ends, and the
next call goes on where it stopped.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from engines.contract import ClipSpec
from grounding.errors import StorageError
from grounding.evidence import Span
from grounding.plain import counted
from indexer.cases import RETRY
from indexer.catalogue import Catalogue, Placed
from indexer.crew import Crew
from indexer.damage import damaged_s_of, told
from indexer.ledger import Standing, in_codec, is_gone, lengths, paths_of_video, standings
from indexer.merging import join
from indexer.nights import NightLog
from indexer.orders import EngineFacts
from indexer.progress import Reporter
from indexer.report import FileReport, IndexReport, Totals, shown
from indexer.request import Request
from indexer.stopping import Stop, Stopped
from indexer.tasks import Fate, Task
from indexer.timing import Stopwatch
from indexer.work import Shift, Tools
from storage import (
    Database,
    Driver,
    driving,
    ensure_library,
    ensure_run,
    keep_standing_questions,
    known_files,
    plan_jobs,
    retry_quarantined,
)
from storage.faults import point
from storage.generations import embedders, refresh_generation
from storage.jobs import Asked
from storage.reports import covered_s, library_named, stretches_to_do
from storage.switching import keep_beside, num_hidden

NEVER = Standing()
GO_ON = "run the same command again to go on"
NOT_BEGUN = f"not begun; {GO_ON}"
LABELLED_CODECS = ("av1",)
"""What not every machine can decode: a worker that can has the codec as a label."""


@dataclass(slots=True, kw_only=True)
class _Run:
    """One call, as it goes: what is used, and what is known so far."""

    request: Request
    database: Database
    reporter: Reporter
    stop: Stop
    stopwatch: Stopwatch
    crew: Crew
    log: NightLog
    seconds_of: dict[int, float] = field(default_factory=dict)
    files: list[FileReport] = field(default_factory=list)
    windows: dict[int, list[Span]] = field(default_factory=dict)
    num_moments: int = 0
    fault: str | None = None
    place: dict[Path, int] = field(default_factory=dict)  # of each path in the scan

    def settle(self, report: FileReport) -> None:
        self.files.append(report)
        self.reporter.file_done(report)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Night:
    """A call with its engine; `run_id` is that way of answering in the database."""

    run: _Run
    engine: EngineFacts
    run_id: int


def index_paths(request: Request, *, reporter: Reporter, stop: Stop | None = None) -> IndexReport:
    """Index everything under `request.paths` into the home; twice does nothing the second time.

    A file that can't be indexed is in the report and stops nothing. Raises StorageError when the home can't
    be used (locked, full, read-only, of a newer version), EngineError when the engine can't be loaded. A home
    that fails half way (a disk that fills) is the report's `fault`: what was committed before stays.
    """
    with driving(request.home, url=request.database) as database:
        return index_into(database, request, reporter=reporter, stop=stop or Stop())


def index_into(database: Database, request: Request, *, reporter: Reporter, stop: Stop) -> IndexReport:
    """`index_paths` for who holds the home's lock and has it open."""
    started, stopwatch = time.monotonic(), Stopwatch()
    crew = Crew(request.executor, patience_s=request.patience_s, stopwatch=stopwatch, stop=stop)
    with NightLog(database, library=request.library, stopwatch=stopwatch) as log:
        run = _Run(
            request=request,
            database=database,
            reporter=reporter,
            stop=stop,
            stopwatch=stopwatch,
            crew=crew,
            log=log,
        )
        try:
            # What was committed is in the report, and `stop` says how it ended.
            with closing(crew), suppress(Stopped):
                _index(run)
        except StorageError as error:
            if not run.num_moments and not any(run.windows.values()):
                raise
            run.fault = str(error)
        return log.end(_report(run, wall_s=time.monotonic() - started))


def _index(run: _Run) -> None:
    with run.database.writing() as session:
        library_id = ensure_library(session, run.request.library)
        keep_standing_questions(
            session, library_id, run.request.standing, retire_others=run.request.retire_others
        )
        known = known_files(session, library_id)
    catalogue = Catalogue(
        run.database,
        library_id=library_id,
        known=known,
        recognise=run.crew.recognise,
        reporter=run.reporter,
        retention=run.request.retention,
    )
    catalogue.scan(run.request.paths, named=run.request.named, roots=run.request.roots)
    run.place = {path: number for number, path in enumerate(catalogue.files)}
    try:
        _index_found(run, catalogue)
    except (Stopped, StorageError):
        named = {report.path for report in run.files}
        for path in catalogue.files:
            if path not in named:
                run.settle(FileReport(path=path, status="skipped", reason=NOT_BEGUN))
        raise


def _index_found(run: _Run, catalogue: Catalogue) -> None:
    night: _Night | None = None
    # Before new files are read, which takes long: what is asked of the others is kept whenever it ends.
    if known := catalogue.known_videos:
        night = _night(run)
        _schedule(night, known)
    placed = _take_stock(run, catalogue)
    if not placed:
        return
    night = night or _night(run)
    if fresh := {item.video_id for item in placed} - known:
        _schedule(night, fresh)
    tasks = _plan(night, placed)
    if tasks:
        _work(night, tasks)
    if run.stop.disk_fault is None:  # a new index needs room beside the old one; searches do without it
        _refresh_vectors(run)


def _night(run: _Run) -> _Night:
    """The engine of the workers, and the id of its way of answering."""
    engine = run.crew.facts()
    run.log.uses(engine)
    with run.database.writing() as session:
        run_id = ensure_run(
            session,
            fingerprint=engine.fingerprint,
            engine=engine.name,
            config={"clip": asdict(engine.spec), **run.request.chosen},
        )
    return _Night(run=run, engine=engine, run_id=run_id)


def _schedule(night: _Night, video_ids: Collection[int]) -> None:
    """A pending job for all that is asked and not done, in one transaction: what is not reached is known."""
    request = night.run.request
    questions: list[Asked] = [(q.task, q.text) for q in request.questions]
    with night.run.database.writing() as session:
        if request.retry_quarantined:
            retry_quarantined(session, video_ids, run_id=night.run_id)
        if request.beside:
            keep_beside(session, video_ids, run_id=night.run_id)
        plan_jobs(session, video_ids, run_id=night.run_id, questions=questions)
        point("plan:before-commit")
        hidden = num_hidden(session, video_ids, run_id=night.run_id)
    point("plan:after-commit")
    if hidden:
        night.run.reporter.note(
            f"of {counted(hidden, 'video')} search shows another run's answers, not those of run "
            f"{night.run_id}, until `proofreel switch`"
        )


def _take_stock(run: _Run, catalogue: Catalogue) -> list[Placed]:
    """The videos found; all else is settled at once."""
    placed = []
    for item in catalogue.take_stock():
        if isinstance(item, Placed):
            placed.append(item)
        else:
            run.settle(item)
    return placed


def _plan(night: _Night, placed: Sequence[Placed]) -> list[Task]:
    """What is left to do, one task a video; files that need nothing are settled at once."""
    run = night.run
    with run.database.reading() as session:
        standing_of = standings(session, run_id=night.run_id)
        run.seconds_of = lengths(session)
        labels = {id: frozenset({codec}) for codec in LABELLED_CODECS for id in in_codec(session, codec)}
    first: dict[int, Path] = {}
    for item in sorted(placed, key=lambda item: item.new):  # a path that was known before its copies
        first.setdefault(item.video_id, item.path)
    tasks = []
    for item in placed:
        standing = standing_of.get(item.video_id, NEVER)
        if item.path != first[item.video_id]:
            run.settle(_same_as(run, item, first[item.video_id]))
        elif standing.is_pending:
            tasks.append(
                Task(
                    video_id=item.video_id,
                    path=item.path,
                    stamp=item.stamp,
                    length_s=run.seconds_of[item.video_id],
                    labels=labels.get(item.video_id, frozenset()),
                )
            )
        else:
            run.settle(_nothing_to_do(run, item, standing))
    _announce(run, tasks, standing_of, spec=night.engine.spec)
    return tasks


def _same_as(run: _Run, item: Placed, other: Path) -> FileReport:
    return FileReport(
        path=item.path,
        status="duplicate",
        reason=f"same content as {shown(other)}",
        seconds=run.seconds_of[item.video_id],
    )


def _nothing_to_do(run: _Run, item: Placed, standing: Standing) -> FileReport:
    seconds = run.seconds_of[item.video_id]
    if standing.quarantined:
        reason = f"in quarantine: {standing.quarantined[0]}; {RETRY}"
        return FileReport(path=item.path, status="failed", reason=reason, seconds=seconds)
    if item.new:
        with run.database.reading() as session:
            others = [p for p in paths_of_video(session, item.video_id) if p != os.fspath(item.path)]
        present = [p for p in others if not is_gone(p)]
        if present:
            return _same_as(run, item, Path(present[0]))
        if others:
            reason = f"moved here from {shown(Path(others[-1]))}"
            return FileReport(path=item.path, status="unchanged", reason=reason, seconds=seconds)
    return FileReport(path=item.path, status="unchanged", seconds=seconds)


def _announce(run: _Run, tasks: Sequence[Task], standing_of: dict[int, Standing], *, spec: ClipSpec) -> None:
    step_s = spec.window_s - spec.overlap_s
    num_segments, seconds = 0, 0.0
    for task in tasks:
        length_s = run.seconds_of[task.video_id]
        planned = standing_of.get(task.video_id, NEVER).pending_segments
        num_segments += planned or max(math.ceil(length_s / step_s), 1)
        seconds += min(planned * step_s, length_s) if planned else length_s
    run.reporter.planned(files=len(tasks), segments=num_segments, seconds=seconds)


def _work(night: _Night, tasks: Sequence[Task]) -> None:
    with Driver(night.run.database) as driver:
        _do_all(night, tasks, driver)


def _do_all(night: _Night, tasks: Sequence[Task], driver: Driver) -> None:
    run = night.run
    tools = Tools(
        database=run.database,
        driver=driver,
        run_id=night.run_id,
        crew=run.crew,
        stopwatch=run.stopwatch,
        stop=run.stop,
    )
    shift = Shift(
        tools,
        told=lambda task, window: run.reporter.segment_done(task.path, seconds=_length(window)),
        settled=lambda task, fate: _keep(run, task, fate),
    )
    elsewhere = shift.do(tasks)
    # Where the other driver died, its work is left to us.
    ids = {task.video_id for task in elsewhere}
    gone = driver.outlived(ids, run_id=night.run_id, stopped=lambda: run.stop.reason() is not None)
    still = shift.do([task for task in elsewhere if task.video_id in gone])
    for task, fate in elsewhere.items():
        if task.video_id not in gone or task in still:
            _keep(run, task, still.get(task, fate))


def _keep(run: _Run, task: Task, fate: Fate) -> None:
    run.windows[task.video_id] = fate.windows
    run.num_moments += fate.moments
    run.settle(_settled(run, task, fate))


def _settled(run: _Run, task: Task, fate: Fate) -> FileReport:
    seconds = run.seconds_of[task.video_id]
    if fate.state == "done":
        with run.database.reading() as session:
            damaged_s = damaged_s_of(session, task.video_id)
        notes = [note for note in (fate.note, told(damaged_s, seconds=seconds)) if note is not None]
        return FileReport(
            path=task.path,
            status="indexed",
            reason="; ".join(notes) or None,
            seconds=seconds,
            damaged_s=damaged_s,
        )
    if fate.state == "elsewhere":
        return FileReport(path=task.path, status="skipped", reason=fate.reason, seconds=seconds)
    if fate.state == "stopped":
        how_far = f"stopped after {counted(len(fate.windows), 'segment')}; {GO_ON}"
        reason = how_far if fate.windows else NOT_BEGUN
        return FileReport(path=task.path, status="skipped", reason=reason, seconds=seconds)
    return FileReport(path=task.path, status="failed", reason=fate.reason, seconds=seconds)


def _refresh_vectors(run: _Run) -> None:
    """A new vector generation, once, when there are moments that the newest one does not hold."""
    with run.database.reading() as session:
        names = embedders(session)
    with run.stopwatch.on("vectors"):
        for name in names:
            refresh_generation(run.database, run.request.home, embedder=name)


def _report(run: _Run, *, wall_s: float) -> IndexReport:
    looked_at_s = sum(_length(span) for windows in run.windows.values() for span in join(windows))
    totals = Totals(
        files=Counter(report.status for report in run.files),
        video_seconds=looked_at_s,
        wall_seconds=wall_s,
        segments=sum(len(windows) for windows in run.windows.values()),
        moments=run.num_moments,
        pending_seconds=_pending_s(run),
        spent=dict(run.stopwatch.spent),
    )
    return IndexReport(
        library=run.request.library,
        files=tuple(sorted(run.files, key=lambda report: run.place.get(report.path, len(run.place)))),
        totals=totals,
        ending="failed" if run.fault else run.stop.reason() or "complete",
        fault=run.fault or run.stop.disk_fault,
    )


def _pending_s(run: _Run) -> float:
    """What waits in the library, whoever asked for it."""
    with run.database.reading() as session:
        library_id = library_named(session, run.request.library)
        return covered_s(stretches_to_do(session, library_id=library_id))


def _length(span: Span) -> float:
    return span.end_s - span.start_s
