"""`proofreel watch`: the libraries of the settings, followed until it is told to end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from indexer import commands, options
from indexer.executors.choosing import ExecutorChoice
from indexer.libraries import LibrarySettings, chosen, places
from indexer.library_commands import EngineChoice, configured, given, request_of
from indexer.metrics import Metered, metered
from indexer.stopping import DiskFloor, Stop

if TYPE_CHECKING:
    from indexer.nightly import NightReport
    from indexer.request import Request

STILL_S = 30.0
RESCAN_S = 300.0


def watch(
    context: typer.Context,
    libraries: Annotated[
        list[str] | None, typer.Argument(metavar="[LIBRARY...]", help="Which to follow; default: all.")
    ] = None,
    engine: options.EngineName = options.DEFAULT_ENGINE,
    model: options.Model = None,
    prompts: options.Prompts = None,
    unchecked: options.Unchecked = False,
    still: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0.1, help="Leave a file alone until it has stood still for so long."
        ),
    ] = STILL_S,
    rescan: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=1.0,
            help="Look through all folders so often: network shares tell no change.",
        ),
    ] = RESCAN_S,
    keep_free_gb: options.KeepFree = options.KEEP_FREE_GB,
    workers: options.Workers = None,
    executor: options.ExecutorName = options.DEFAULT_EXECUTOR,
    address: options.Address = None,
    patience: options.Patience = options.PATIENCE_S,
    metrics_port: options.MetricsPort = None,
    metrics_file: options.MetricsFile = None,
    log_format: options.LogFormatName = None,
    home: options.Home = Path(".proofreel"),
    database: options.DatabaseUrl = None,
    config: options.Config = None,
    as_json: options.AsJson = False,
    verbose: options.Verbose = False,
) -> None:
    """Index what comes into the libraries of the settings, as soon as it is written to its end.

    Files that were there before and are not indexed yet are indexed too. On SQLite another process that
    indexes into the same home is waited for. SIGTERM and Ctrl-C end it, with exit code 0, after the present
    segment. With --json: one line, a document as that of `index`, each time that something was done.
    """
    from indexer.listening import require
    from indexer.progress import Lines, Silent
    from indexer.settling import Settling
    from indexer.watching import Watch, Watched

    require()
    choice = EngineChoice(engine=engine, model=model, prompts=prompts, unchecked=unchecked)
    where = ExecutorChoice(executor=executor, address=address, workers=workers)
    by_hand = given(context)
    stop = Stop(floor=DiskFloor(home=home, keep_free_gb=keep_free_gb))
    watched = [
        Watched(
            library=library,
            request=_requests(
                library,
                home=home,
                choice=choice.of_library(library, given=by_hand),
                where=where,
                patience_s=patience,
            ),
            settling=Settling(still_s=still),
            places=places(library),
        )
        for library in chosen(configured(context), libraries or [])
    ]
    reporter = (Silent if as_json else Lines)(sys.stderr)
    reporter.note(f"watching {', '.join(one.library.name for one in watched)}")
    with (
        stop.listening(),
        commands.logs(log_format, verbose=verbose),
        metered(port=metrics_port, file=metrics_file) as metrics,
    ):
        Watch(
            watched, home=home, url=database, still_s=still, rescan_s=rescan, stop=stop,
            reporter=reporter if metrics is None else Metered(reporter, metrics),
            done=_print_line if as_json else _nothing,
        ).run()  # fmt: skip


def _requests(
    library: LibrarySettings, *, home: Path, choice: EngineChoice, where: ExecutorChoice, patience_s: float
) -> Callable[[Sequence[Path]], Request]:
    """What makes the request for some paths of the library. Raises ValueError for wrong settings now."""

    def request(paths: Sequence[Path]) -> Request:
        return request_of(
            library,
            home=home,
            more_questions=(),
            choice=choice,
            loader=partial(commands.executor_loader, where=where),
            patience_s=patience_s,
            paths=paths,
        )

    request(())
    return request


def _print_line(report: NightReport) -> None:
    print(json.dumps(report.document()), flush=True)


def _nothing(report: NightReport) -> None:
    """People have read the lines on standard error."""
