"""`proofreel index`, `ask` and `status`: flags in, one report out."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from grounding.errors import StorageError, printable
from grounding.plain import counted, plain
from indexer.stopping import Stop, next_time_of_day

if TYPE_CHECKING:
    from engines.contract import Engine
    from grounding.prompts import PromptSet
    from indexer.asking import AskResult
    from indexer.damage import DamagedVideo
    from indexer.embedding import Embedder
    from indexer.executors import Executor
    from indexer.report import IndexReport
    from indexer.status import OpenJob, Status

DEFAULT_LIBRARY = "default"
DEFAULT_ENGINE = "spotter"
RETRY_CHOICES = ("quarantined",)
EXECUTORS = ("local", "ray")
MOST_LISTED = 20
"""Lines of one kind that `status` prints for people; its JSON lists all."""

T = TypeVar("T")

Home = Annotated[Path, typer.Option(help="The folder of the database and all else that is kept.")]
Config = Annotated[Path | None, typer.Option(help="Settings file; default: proofreel.toml, found upwards.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
EngineName = Annotated[
    str, typer.Option(metavar="spotter|transformers|onnx|tensorrt", help="What looks at the frames.")
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="DIR|OWNER/NAME",
        help="What the engine runs: a checkpoint (Qwen2.5-VL, Qwen3-VL), or the folder of an export.",
    ),
]
Prompts = Annotated[
    Path | None, typer.Option(metavar="FILE.toml", help="The words that the checkpoint was trained with.")
]
Unchecked = Annotated[
    bool,
    typer.Option("--unchecked", help="Run an export that no check has passed; its answers say so."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log every job on standard error.")]


def _path(text: str) -> Path:
    """`Path("")` is the working directory, and an unset variable of a script is no wish to index that."""
    if not text:
        raise typer.BadParameter('a path must not be empty; for the working directory give "."')
    return Path(text)


def register(app: typer.Typer) -> None:
    """Add `index`, `ask` and `status` to the command."""
    app.command("index")(index)
    app.command("ask")(ask)
    app.command("status")(status)


def index(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", parser=_path, help="Video files, and folders of them."),
    ],
    library: Annotated[str, typer.Option(help="The set of files that these belong to.")] = DEFAULT_LIBRARY,
    question: Annotated[
        list[str] | None,
        typer.Option("--question", "-q", help="Ask this of every video too; repeatable."),
    ] = None,
    engine: EngineName = DEFAULT_ENGINE,
    model: Model = None,
    prompts: Prompts = None,
    unchecked: Unchecked = False,
    until: Annotated[
        str | None, typer.Option(metavar="HH:MM", help="Begin no new segment after this time of day.")
    ] = None,
    retry: Annotated[
        str | None, typer.Option(metavar="quarantined", help="Try again what was given up.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that look at files at the same time; default: what fits."),
    ] = None,
    executor: Annotated[
        str, typer.Option(metavar="local|ray", help="Where files are looked at: here, or on a Ray cluster.")
    ] = "local",
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT|auto", help="The Ray cluster that --executor ray uses.")
    ] = None,
    patience: Annotated[
        float,
        typer.Option(
            min=1.0,
            metavar="SECONDS",
            help="End a process when nothing comes of its file for so long and ten times what is expected.",
        ),
    ] = 300.0,
    home: Home = Path(".proofreel"),
    config: Config = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Look at every video under PATH..., once: a second run does only what is new.

    Exit codes: 0 done; 1 something failed: each file is named, also a PATH that is missing or gives no
    video (other files that are no video are skipped and named); 2 wrong usage; 130 or 143 interrupted.
    """
    stop = Stop(until=None if until is None else next_time_of_day(until, now=datetime.now()))
    if retry is not None and retry not in RETRY_CHOICES:
        raise ValueError(f"--retry takes {' or '.join(RETRY_CHOICES)}, not {retry!r}")
    if not library.strip():
        raise ValueError('--library needs a name, not ""')
    loader = _engine_loader(engine, model=model, prompts=prompts, unchecked=unchecked)
    _check_executor(executor, address=address)
    made = partial(load_executor, loader, workers=workers, is_model=model is not None, address=address)
    chosen = {"model": model, "prompts": None if prompts is None else str(prompts), "unchecked": unchecked}
    with stop.listening():
        report = _index(
            paths, library=library, questions=question or [], executor=made, chosen=chosen, home=home,
            stop=stop, retry=retry is not None, patience_s=patience, as_json=as_json, verbose=verbose,
        )  # fmt: skip
    if as_json:
        _print_json(report.document())
    else:
        _print_index(report)
    if report.fault is not None:
        raise StorageError(report.fault)
    raise typer.Exit(_exit_code(report, stop))


def _index(
    paths: list[Path],
    *,
    library: str,
    questions: list[str],
    executor: Callable[[], Executor],
    chosen: dict[str, Any],
    home: Path,
    stop: Stop,
    retry: bool,
    patience_s: float,
    as_json: bool,
    verbose: bool,
) -> IndexReport:
    from indexer.indexing import Request, index_paths
    from indexer.progress import reporter
    from indexer.questions import question_set

    _log_to_stderr(verbose)
    request = Request(
        paths=paths,
        home=home,
        library=library,
        questions=question_set(questions),
        executor=executor,
        chosen={name: value for name, value in chosen.items() if value},
        retry_quarantined=retry,
        patience_s=patience_s,
    )
    with reporter(quiet=as_json, stream=sys.stderr) as told:
        return index_paths(request, reporter=told, stop=stop)


def ask(
    video: Annotated[Path, typer.Argument(readable=False, help="One video file.")],
    question: Annotated[str, typer.Argument(help="What you want to know of it.")],
    engine: EngineName = DEFAULT_ENGINE,
    model: Model = None,
    prompts: Prompts = None,
    unchecked: Unchecked = False,
    overlay: Annotated[
        Path | None, typer.Option(metavar="FILE.mp4|FILE.png", help="Draw the proof into this file.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Answer one question about one file now, with its proof. Nothing is stored."""
    from indexer.asking import ask as ask_file
    from indexer.progress import reporter

    used = _engine_loader(engine, model=model, prompts=prompts, unchecked=unchecked)()
    try:
        with reporter(quiet=as_json, stream=sys.stderr, doing="asking") as told:
            result = ask_file(video, question, engine=used, reporter=told, overlay=overlay)
    finally:
        used.close()
    if as_json:
        _print_json(result.document())
    else:
        _print_answer(result)
        if overlay is not None and result.overlay is None:
            print("there is no proof to draw")


def status(home: Home = Path(".proofreel"), config: Config = None, as_json: AsJson = False) -> None:
    """What is indexed, what is pending, what was given up and why."""
    from indexer.status import read_status

    found = read_status(home)
    if as_json:
        _print_json(found.document())
    else:
        _print_status(found)


def _engine_loader(
    name: str, *, model: str | None, prompts: Path | None, unchecked: bool
) -> Callable[..., Engine]:
    """What makes the engine that the flags name. Wrong flags are a ValueError now, before any work."""
    from engines import check_engine
    from grounding.prompts import load_prompts

    words = None if prompts is None else load_prompts(prompts)
    check_engine(name, model=model, prompts=words, unchecked=unchecked)
    return partial(load_engine, name, model=model, prompts=words, unchecked=unchecked)


def load_engine(
    name: str,
    *,
    model: str | None = None,
    prompts: PromptSet | None = None,
    unchecked: bool = False,
    num_threads: int | None = None,
) -> Engine:
    """The engine that `--engine` names. ValueError for an unknown one, EngineError for a broken one."""
    from engines import load_engine

    return load_engine(name, model=model, prompts=prompts, unchecked=unchecked, num_threads=num_threads)


def load_embedder(*, num_threads: int | None = None) -> Embedder:
    """What turns moments' texts into vectors."""
    from engines.embedding import TextEmbedder

    return TextEmbedder(num_threads=num_threads)


def _check_executor(name: str, *, address: str | None) -> None:
    if name not in EXECUTORS:
        raise ValueError(f"--executor takes {' or '.join(EXECUTORS)}, not {name!r}")
    if (address is not None) != (name == "ray"):
        raise ValueError(
            "--executor ray and --address go together; on a machine of the cluster: --address auto"
        )
    if name == "ray" and find_spec("ray") is None:
        raise ValueError("--executor ray needs Ray, not installed here: pip install 'proofreel[ray]'")


def load_executor(
    engine: Callable[..., Engine], *, workers: int | None, is_model: bool, address: str | None = None
) -> Executor:
    """Processes of this machine, or of the Ray cluster at `address`, each with an engine of its own and kept
    from the network once a file is open.

    `is_model`: the engine runs a checkpoint, on a GPU where there is one.
    """
    from indexer.executors.local import LocalExecutor
    from indexer.executors.sandbox import without_network
    from indexer.executors.sizing import places
    from indexer.looking import Looker

    found = places(workers, needs_gpu=is_model)
    num_threads = found.num_threads if address is None else 1
    looker = partial(
        Looker,
        engine=partial(engine, num_threads=num_threads),
        embedder=partial(load_embedder, num_threads=num_threads),
        seal=without_network,
        fetches=is_model,
    )
    if address is not None:
        from indexer.executors.ray import RayExecutor

        return RayExecutor(looker, address=address, workers=workers, needs_gpu=is_model)
    return LocalExecutor(looker, environments=found.environments, orders_at_once=found.orders_at_once)


def _exit_code(report: IndexReport, stop: Stop) -> int:
    if stop.signal_number is not None:
        return 128 + stop.signal_number
    return 1 if report.failed else 0


def _log_to_stderr(verbose: bool) -> None:
    if verbose:
        logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
        logging.getLogger("indexer").setLevel(logging.INFO)


def _print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document))


def _print_index(report: IndexReport) -> None:
    totals = report.totals
    counts = ", ".join(f"{count} {status}" for status, count in sorted(totals.files.items()))
    print(f"{counted(len(report.files), 'file')}: {counts or 'none'}")
    if totals.segments:
        print(
            f"{totals.video_seconds:.1f} s of video in {totals.wall_seconds:.1f} s "
            f"({totals.times_real:.1f}x real time), {counted(totals.moments, 'moment')}"
        )
    if report.ending == "interrupted":
        print("stopped by a signal; what is done is kept, the same command goes on from here")
    elif report.ending == "until":
        print("stopped at the given time; what is done is kept, the same command goes on from here")


def _print_answer(result: AskResult) -> None:
    print(plain(result.answer.text))
    for item in result.answer.evidence:
        boxes = " ".join(f"[{b.x1:.3f} {b.y1:.3f} {b.x2:.3f} {b.y2:.3f}]" for b in item.claim.boxes)
        sure = "" if item.confidence is None else f"  {item.confidence:.2f}"
        print(f"  {item.time_s:9.3f} s  {plain(item.claim.subject)}  {boxes}{sure}")
    looked_at = f"looked at {result.looked_at_s:.1f} of {result.seconds:.1f} s with {plain(result.engine)}"
    print("; ".join([looked_at, *_may_miss(result)]))
    if result.overlay is not None:
        print(f"the proof is drawn in {printable(result.overlay)}")


def _may_miss(result: AskResult) -> list[str]:
    """How close the answer looked, and what it may have missed: between samples, where nothing was seen."""
    said = []
    if result.interval_s is not None:
        misses = ", so what is shorter can be missed" if result.found_nothing else ""
        said.append(f"a frame every {result.interval_s:g} s{misses}")
    unseen = [(kind, result.coverage[kind]) for kind in ("damaged", "skipped")]
    return [*said, *(f"{seconds:.1f} s {kind}" for kind, seconds in unseen if seconds >= 0.05)]


def _print_status(found: Status) -> None:
    for library in found.libraries:
        missing = f", {library.missing} missing" if library.missing else ""
        print(
            f"library {plain(library.name)}: {counted(library.files, 'file')}{missing}, "
            f"{counted(library.videos, 'video')}, {library.seconds:.1f} s"
        )
    for run in found.runs:
        seen = ", ".join(f"{seconds:.1f} s {kind}" for kind, seconds in run.coverage.items() if seconds)
        print(
            f"engine {plain(run.engine)}: {seen or 'nothing looked at'}, {run.pending_seconds:.1f} s pending"
        )
    print(f"{counted(found.moments, 'moment')}, {found.pending_s:.1f} s pending in all")
    _print_listed("pending", found.pending, _open_job)
    _print_listed("pending", found.not_begun, lambda v: f"{_where(v.path)}: {v.seconds:.1f} s, not begun")
    _print_listed("quarantined", found.quarantined, _open_job)
    _print_listed("damaged", found.damaged, _damaged)
    _print_listed("unusable", found.unusable, lambda file: f"{_where(file.path)}: {plain(file.reason)}")


def _print_listed(kind: str, items: Sequence[T], told: Callable[[T], str]) -> None:
    for item in items[:MOST_LISTED]:
        print(f"{kind:12} {told(item)}")
    if len(items) > MOST_LISTED:
        print(f"{kind:12} and {len(items) - MOST_LISTED:,} more; --json lists all")


def _open_job(job: OpenJob) -> str:
    reason = f": {plain(job.reason)}" if job.reason else ""
    return f"{_where(job.path)}: {counted(job.segments_left, 'segment')}{reason}"


def _damaged(video: DamagedVideo) -> str:
    from indexer.damage import told

    return f"{_where(video.path)}: {told(video.damaged_s, seconds=video.seconds)}"


def _where(path: Path | None) -> str:
    from indexer.report import shown

    return "(no file)" if path is None else shown(path)
