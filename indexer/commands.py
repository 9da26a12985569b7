"""`proofreel index`, `ask` and `status`: flags in, one report out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grounding.errors import StorageError
from indexer import options
from indexer.executors.choosing import ExecutorChoice
from indexer.libraries import standing as standing_questions
from indexer.library_commands import EngineChoice, IndexFlags, configured, index_configured, retentions
from indexer.metrics import metered
from indexer.morning import commands as morning_commands
from indexer.morning.commands import HOOKS, tell_hooks
from indexer.result_lines import print_answer, print_index, print_json, print_night
from indexer.stopping import DiskFloor, Stop, next_time_of_day
from indexer.switching import commands as switching_commands

if TYPE_CHECKING:
    from engines.contract import Engine
    from grounding.prompts import PromptSet
    from indexer.embedding import Embedder
    from indexer.executors import Executor
    from indexer.nightly import NightReport

RETRY_CHOICES = ("quarantined",)


def _path(text: str) -> Path:
    """`Path("")` is the working directory, and an unset variable of a script is no wish to index that."""
    if not text:
        raise typer.BadParameter('a path must not be empty; for the working directory give "."')
    return Path(text)


def register(app: typer.Typer) -> None:
    """Add `index`, `watch`, `ask` and `status` to the command."""
    from indexer.watch_command import watch

    app.command("index")(index)
    app.command("watch")(watch)
    app.command("ask")(ask)
    app.command("status")(status)
    morning_commands.register(app)
    switching_commands.register(app)


def index(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH...]",
            parser=_path,
            help="Video files, and folders of them. Without one: the libraries that the settings name.",
        ),
    ] = None,
    library: Annotated[
        str | None,
        typer.Option(help="The set of files that these belong to; without PATH, the one library to index."),
    ] = None,
    question: Annotated[
        list[str] | None,
        typer.Option("--question", "-q", help="Ask this of every video too; repeatable."),
    ] = None,
    pack: options.Pack = None,
    engine: options.EngineName = options.DEFAULT_ENGINE,
    model: options.Model = None,
    prompts: options.Prompts = None,
    unchecked: options.Unchecked = False,
    keep_free_gb: options.KeepFree = options.KEEP_FREE_GB,
    until: Annotated[
        str | None, typer.Option(metavar="HH:MM", help="Begin no new segment after this time of day.")
    ] = None,
    retry: Annotated[
        str | None, typer.Option(metavar="quarantined", help="Try again what was given up.")
    ] = None,
    workers: options.Workers = None,
    executor: options.ExecutorName = options.DEFAULT_EXECUTOR,
    address: options.Address = None,
    patience: options.Patience = options.PATIENCE_S,
    beside: Annotated[
        bool,
        typer.Option("--beside", help="Search shows a new engine's answers only after `proofreel switch`."),
    ] = False,
    metrics_port: options.MetricsPort = None,
    metrics_file: options.MetricsFile = None,
    log_format: options.LogFormatName = None,
    home: options.Home = Path(".proofreel"),
    database: options.DatabaseUrl = None,
    config: options.Config = None,
    as_json: options.AsJson = False,
    verbose: options.Verbose = False,
) -> None:
    """Look at every video under PATH..., once: a second run does only what is new.

    Without PATH the libraries of the settings are indexed, those of a higher priority first, each with its
    own questions, engine and retention.

    Exit codes: 0 done; 1 something failed: each file is named, also a PATH that is missing or gives no
    video (other files that are no video are skipped and named), and so is a disk without room; 2 wrong
    usage; 130 or 143 interrupted.
    """
    if retry is not None and retry not in RETRY_CHOICES:
        raise ValueError(f"--retry takes {' or '.join(RETRY_CHOICES)}, not {retry!r}")
    if library is not None and not library.strip():
        raise ValueError('--library needs a name, not ""')
    stop = Stop(
        until=None if until is None else next_time_of_day(until, now=datetime.now()),
        floor=DiskFloor(home=home, keep_free_gb=keep_free_gb),
    )
    started_at = datetime.now(UTC)
    try:
        with (
            stop.listening(),
            logs(log_format, verbose=verbose),
            metered(port=metrics_port, file=metrics_file) as metrics,
        ):
            flags = IndexFlags(
                questions=question or [],
                packs=pack or [],
                choice=EngineChoice(engine=engine, model=model, prompts=prompts, unchecked=unchecked),
                where=ExecutorChoice(executor=executor, address=address, workers=workers),
                patience_s=patience,
                home=home,
                database=database,
                retry=retry is not None,
                beside=beside,
                metrics=metrics,
                as_json=as_json,
            )
            if paths:
                _index_paths(
                    context, paths, library=library or options.DEFAULT_LIBRARY, flags=flags, stop=stop
                )
            else:
                loader = partial(executor_loader, where=flags.where)
                told = index_configured(context, library=library, flags=flags, loader=loader, stop=stop)
                _tell_night(told, as_json=as_json, stop=stop)
    finally:  # a night that could not be is worth telling most of all
        tell_hooks(context.meta.get(HOOKS), home, since=started_at, url=database)


def _index_paths(
    context: typer.Context, paths: list[Path], *, library: str, flags: IndexFlags, stop: Stop
) -> None:
    from indexer.indexing import index_paths
    from indexer.nightly import prune_home
    from indexer.questions import question_set
    from indexer.request import Request

    kept = retentions([x for x in configured(context) if x.name == library])
    standing = standing_questions([], flags.packs)
    request = Request(
        paths=paths,
        home=flags.home,
        database=flags.database,
        library=library,
        questions=question_set([*(row.text for row in standing), *flags.questions]),
        standing=standing,
        executor=executor_loader(flags.choice, where=flags.where),
        chosen=flags.choice.kept(),
        retry_quarantined=flags.retry,
        patience_s=flags.patience_s,
        retention=next(iter(kept), None),
        beside=flags.beside,
    )
    with flags.reporter() as told:
        report = index_paths(request, reporter=told, stop=stop)
        flags.ended(report)
        if report.ending != "failed" and kept:
            prune_home(flags.home, kept, url=flags.database, reporter=told, stop=stop)
    if flags.as_json:
        print_json(report.document())
    else:
        print_index(report)
    if report.fault is not None:
        raise StorageError(report.fault)
    raise typer.Exit(_exit_code(bool(report.failed), stop))


def ask(
    video: Annotated[Path, typer.Argument(readable=False, help="One video file.")],
    question: Annotated[str, typer.Argument(help="What you want to know of it.")],
    engine: options.EngineName = options.DEFAULT_ENGINE,
    model: options.Model = None,
    prompts: options.Prompts = None,
    unchecked: options.Unchecked = False,
    overlay: Annotated[
        Path | None, typer.Option(metavar="FILE.mp4|FILE.png", help="Draw the proof into this file.")
    ] = None,
    config: options.Config = None,
    as_json: options.AsJson = False,
) -> None:
    """Answer one question about one file now, with its proof. Nothing is stored."""
    from indexer.asking import ask as ask_file
    from indexer.progress import reporter

    choice = EngineChoice(engine=engine, model=model, prompts=prompts, unchecked=unchecked)
    used = engine_loader(choice)()
    try:
        with reporter(quiet=as_json, stream=sys.stderr, doing="asking") as told:
            result = ask_file(video, question, engine=used, reporter=told, overlay=overlay)
    finally:
        used.close()
    if as_json:
        print_json(result.document())
    else:
        print_answer(result, wanted_overlay=overlay is not None)


def status(
    home: options.Home = Path(".proofreel"),
    database: options.DatabaseUrl = None,
    config: options.Config = None,
    as_json: options.AsJson = False,
) -> None:
    """What is indexed, what is pending, what was given up and why."""
    from indexer.status import read_status
    from indexer.status_lines import print_status

    found = read_status(home, database=database)
    if as_json:
        print_json(found.document())
    else:
        print_status(found)


def executor_loader(
    choice: EngineChoice,
    *,
    where: ExecutorChoice = ExecutorChoice(),  # noqa: B008  # frozen
) -> Callable[[], Executor]:
    """What makes workers with the engine that was chosen. A wrong choice is a ValueError now."""
    engine = engine_loader(choice)
    return lambda: load_executor(engine, where=where, is_model=choice.model is not None)


def load_executor(engine: Callable[..., Engine], *, where: ExecutorChoice, is_model: bool) -> Executor:
    """Processes that look at files, each with an engine of its own."""
    from indexer.executors.choosing import make_executor

    return make_executor(where, engine=engine, embedder=load_embedder, is_model=is_model)


def engine_loader(choice: EngineChoice) -> Callable[..., Engine]:
    """What makes the engine that was chosen. A wrong choice is a ValueError now, before any work."""
    from engines import check_engine
    from grounding.prompts import load_prompts

    words = None if choice.prompts is None else load_prompts(choice.prompts)
    name, model, unchecked, rate_hz = choice.engine, choice.model, choice.unchecked, choice.rate_hz
    check_engine(name, model=model, prompts=words, unchecked=unchecked, rate_hz=rate_hz)
    return partial(load_engine, name, model=model, prompts=words, unchecked=unchecked, rate_hz=rate_hz)


def load_engine(
    name: str,
    *,
    model: str | None = None,
    prompts: PromptSet | None = None,
    unchecked: bool = False,
    rate_hz: float | None = None,
    num_threads: int | None = None,
) -> Engine:
    """The engine that `--engine` names. ValueError for an unknown one, EngineError for a broken one."""
    from engines import load_engine

    return load_engine(
        name,
        model=model,
        prompts=prompts,
        unchecked=unchecked,
        rate_hz=rate_hz,
        num_threads=num_threads,
    )


def load_embedder(*, num_threads: int | None = None) -> Embedder:
    """What turns moments' texts into vectors."""
    from engines.embedding import TextEmbedder

    return TextEmbedder(num_threads=num_threads)


def _tell_night(report: NightReport, *, as_json: bool, stop: Stop) -> None:
    if as_json:
        print_json(report.document())
    else:
        print_night(report)
    for fault in report.faults:
        print(f"proofreel: {fault}", file=sys.stderr)
    raise typer.Exit(_exit_code(report.failed, stop))


def _exit_code(failed: bool, stop: Stop) -> int:
    if stop.signal_number is not None:
        return 128 + stop.signal_number
    return 1 if failed else 0


def logs(name: str | None, *, verbose: bool) -> AbstractContextManager[None]:
    """The log that the flags ask for, while inside."""
    from indexer.logs import log_format, logging_to

    if name is None and not verbose:
        return nullcontext()
    written = log_format(name or "text")
    return logging_to(sys.stderr, written, every_segment=verbose and name is not None)
