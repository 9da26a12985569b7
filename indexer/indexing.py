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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from engines.contract import ClipSpec, Engine, Question
from grounding.errors import StorageError
from grounding.evidence import Span
from grounding.plain import counted
from indexer.catalogue import Catalogue, Placed
from indexer.damage import damaged_s_of, told
from indexer.embedding import Embedder, Remembering
from indexer.ledger import Standing, is_gone, lengths, paths_of_video, standings
from indexer.merging import join
from indexer.nights import NightLog
from indexer.progress import Reporter
from indexer.report import FileReport, IndexReport, Totals, shown
from indexer.stopping import Stop, Stopped
from indexer.timing import Stopwatch
from indexer.work import RETRY, Done, Task, Tools, Worker
from storage import (
    Database,
    Driver,
    Retention,
    StandingRow,
    driving,
    ensure_library,
    ensure_run,
    keep_standing_questions,
    known_files,
    plan_jobs,
    retry_quarantined,
)
from storage.generations import embedders, refresh_generation
from storage.jobs import Asked
from storage.reports import covered_s, library_named, stretches_to_do
from storage.switching import keep_beside, num_hidden

NEVER = Standing()
GO_ON = "run the same command again to go on"
NOT_BEGUN = f"not begun; {GO_ON}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be indexed, and how. `engine` and `embedder` are made when they are first needed.

    `chosen` is what was chosen of the engine; it is kept with every answer. `database` is the URL of the
    home's database where it is not the one that the home knows. `named`: the user gave these
    very paths, so that one that is no video is a failure; `roots` are folders in which missing files are
    gone, also when they are not among the paths. `standing` questions are kept as such with the library
    and, with `retire_others`, are all that it has; only `questions` are asked. Files past `retention` are
    left out. `beside`: search goes on showing what other runs say of their videos until `proofreel switch`.
    """

    paths: Sequence[Path]
    home: Path
    library: str
    questions: Sequence[Question]
    engine: Callable[[], Engine]
    embedder: Callable[[], Embedder]
    chosen: Mapping[str, Any] = field(default_factory=dict)
    database: str | None = None
    retry_quarantined: bool = False
    named: bool = True
    roots: Sequence[Path] = ()
    standing: Sequence[StandingRow] = ()
    retire_others: bool = False
    retention: Retention | None = None
    beside: bool = False


@dataclass(slots=True, kw_only=True)
class _Run:
    """One call, as it goes: what is used, and what is known so far."""

    request: Request
    database: Database
    reporter: Reporter
    stop: Stop
    stopwatch: Stopwatch
    log: NightLog
    seconds_of: dict[int, float] = field(default_factory=dict)
    files: list[FileReport] = field(default_factory=list)
    windows: dict[int, list[Span]] = field(default_factory=dict)
    num_moments: int = 0
    fault: str | None = None

    def settle(self, report: FileReport) -> None:
        self.files.append(report)
        self.reporter.file_done(report)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Night:
    """A call with its engine; `run_id` is that way of answering in the database."""

    run: _Run
    engine: Engine
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
    started = time.monotonic()
    stopwatch = Stopwatch()
    with NightLog(database, library=request.library, stopwatch=stopwatch) as log:
        run = _Run(
            request=request, database=database, reporter=reporter, stop=stop, stopwatch=stopwatch, log=log
        )
        try:
            with suppress(Stopped):  # what was committed is in the report, and `stop` says how it ended
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
        stopwatch=run.stopwatch,
        stop=run.stop,
        reporter=run.reporter,
        retention=run.request.retention,
    )
    catalogue.scan(run.request.paths, named=run.request.named, roots=run.request.roots)
    try:
        _index_found(run, catalogue)
    except (Stopped, StorageError):
        named = {report.path for report in run.files}
        for path in catalogue.files:
            if path not in named:
                run.settle(FileReport(path=path, status="skipped", reason=NOT_BEGUN))
        raise


def _index_found(run: _Run, catalogue: Catalogue) -> None:
    with ExitStack() as stack:
        night: _Night | None = None
        # Before new files are read, which takes long: what is asked of the others is kept whenever it ends.
        if known := catalogue.known_videos:
            night = stack.enter_context(_night(run))
            _schedule(night, known)
        placed = _take_stock(run, catalogue)
        if not placed:
            return
        night = night or stack.enter_context(_night(run))
        if fresh := {item.video_id for item in placed} - known:
            _schedule(night, fresh)
        tasks = _plan(night, placed)
        if tasks:
            _work(night, tasks)
    if run.stop.disk_fault is None:  # a new index needs room beside the old one; searches do without it
        _refresh_vectors(run)


@contextmanager
def _night(run: _Run) -> Iterator[_Night]:
    """The engine, made now and closed at the end, and the id of its way of answering."""
    with run.stop.at_once():
        engine = run.request.engine()
    try:
        run.log.uses(engine)
        with run.database.writing() as session:
            run_id = ensure_run(
                session,
                fingerprint=engine.fingerprint,
                engine=engine.name,
                config={"clip": asdict(engine.spec), **run.request.chosen},
            )
        yield _Night(run=run, engine=engine, run_id=run_id)
    finally:
        engine.close()


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
        hidden = num_hidden(session, video_ids, run_id=night.run_id)
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
    first: dict[int, Path] = {}
    for item in sorted(placed, key=lambda item: item.new):  # a path that was known before its copies
        first.setdefault(item.video_id, item.path)
    tasks = []
    for item in placed:
        standing = standing_of.get(item.video_id, NEVER)
        if item.path != first[item.video_id]:
            run.settle(_same_as(run, item, first[item.video_id]))
        elif standing.is_pending:
            tasks.append(Task(video_id=item.video_id, path=item.path, stamp=item.stamp))
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
        driver=driver,
        database=run.database,
        run_id=night.run_id,
        engine=night.engine,
        embedder=Remembering(run.request.embedder),
        stopwatch=run.stopwatch,
        stop=run.stop,
    )
    worker = Worker(
        tools, told=lambda task, window: run.reporter.segment_done(task.path, seconds=_length(window))
    )
    elsewhere: dict[Task, Done] = {}
    for task in tasks:
        done = _do(run, worker, task)
        if done.state == "elsewhere":
            elsewhere[task] = done
        else:
            _keep(run, task, done)
    # Where the other driver died, its work is left to us.
    ids = {task.video_id for task in elsewhere}
    gone = driver.outlived(ids, run_id=night.run_id, stopped=lambda: run.stop.reason() is not None)
    for task, done in elsewhere.items():
        _keep(run, task, _do(run, worker, task) if task.video_id in gone else done)


def _do(run: _Run, worker: Worker, task: Task) -> Done:
    done = Done()
    try:
        if run.stop.reason() is None:
            worker.do(task, done)
        else:
            done.state = "stopped"
    except Stopped:
        done.state = "stopped"
    except StorageError:
        done.state = "stopped"
        _keep(run, task, done)
        raise
    return done


def _keep(run: _Run, task: Task, done: Done) -> None:
    run.windows[task.video_id] = done.windows
    run.num_moments += done.moments
    run.settle(_settled(run, task, done))


def _settled(run: _Run, task: Task, done: Done) -> FileReport:
    seconds = run.seconds_of[task.video_id]
    if done.state == "done":
        with run.database.reading() as session:
            damaged_s = damaged_s_of(session, task.video_id)
        notes = [note for note in (done.note, told(damaged_s, seconds=seconds)) if note is not None]
        return FileReport(
            path=task.path,
            status="indexed",
            reason="; ".join(notes) or None,
            seconds=seconds,
            damaged_s=damaged_s,
        )
    if done.state == "elsewhere":
        return FileReport(path=task.path, status="skipped", reason=done.reason, seconds=seconds)
    if done.state == "stopped":
        how_far = f"stopped after {counted(len(done.windows), 'segment')}; {GO_ON}"
        reason = how_far if done.windows else NOT_BEGUN
        return FileReport(path=task.path, status="skipped", reason=reason, seconds=seconds)
    return FileReport(path=task.path, status="failed", reason=done.reason, seconds=seconds)


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
        files=tuple(run.files),
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
