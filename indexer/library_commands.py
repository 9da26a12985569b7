"""`index` and `watch` of the libraries that the settings name: from flags and settings to requests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from indexer.libraries import KEY, LibrarySettings, chosen, places, standing_of
from indexer.metrics import Metered, Metrics
from indexer.stopping import Stop

if TYPE_CHECKING:
    from indexer.executors import Executor
    from indexer.executors.choosing import ExecutorChoice
    from indexer.nightly import NightReport
    from indexer.progress import Reporter
    from indexer.report import IndexReport
    from indexer.request import Request
    from storage import Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """What looks at the frames, as flags or a library's settings say it. `rate_hz` None: the engine's own."""

    engine: str
    model: str | None
    prompts: Path | None
    unchecked: bool = False
    rate_hz: float | None = None

    def kept(self) -> dict[str, Any]:
        """What of it is kept with every answer."""
        values = {
            "model": self.model,
            "prompts": None if self.prompts is None else str(self.prompts),
            "unchecked": self.unchecked,
        }
        return {name: value for name, value in values.items() if value}

    def of_library(self, library: LibrarySettings, *, given: Sequence[str]) -> EngineChoice:
        """This choice for a library: its own settings, but for the flags that were `given` by hand."""
        own: dict[str, Any] = {"model": library.model, "prompts": library.prompts, "rate_hz": library.rate_hz}
        if "engine" in given:  # what is set belongs to the library's own engine
            return self
        if library.engine is not None:
            return replace(self, **{"engine": library.engine, **own, **self._of(given)})
        return replace(self, **{name: v for name, v in own.items() if v is not None and name not in given})

    def _of(self, names: Sequence[str]) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name in names}


@dataclass(frozen=True, kw_only=True)
class IndexFlags:
    """What `index` was told, whatever it is to index."""

    questions: list[str]
    packs: list[str]
    choice: EngineChoice
    where: ExecutorChoice
    patience_s: float
    home: Path
    database: str | None
    retry: bool
    beside: bool
    metrics: Metrics | None
    as_json: bool

    @contextmanager
    def reporter(self) -> Iterator[Reporter]:
        """Tells of progress on standard error, and counts it for Prometheus where that is asked for."""
        from indexer.progress import reporter

        with reporter(quiet=self.as_json, stream=sys.stderr) as told:
            yield told if self.metrics is None else Metered(told, self.metrics)

    def ended(self, report: IndexReport) -> None:
        """Count what a library's run came to."""
        if self.metrics is not None:
            self.metrics.ended(report)


def configured(context: typer.Context) -> tuple[LibrarySettings, ...]:
    """The libraries of the settings file, none without one."""
    found: tuple[LibrarySettings, ...] = context.meta.get(KEY, ())
    return found


def given(context: typer.Context) -> list[str]:
    """The parameters that the user gave by hand, and not by a setting."""
    return [
        name
        for name in context.params
        if (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    ]


def retentions(libraries: Sequence[LibrarySettings]) -> list[Retention]:
    """How long each library that says so keeps what was made of its files, counted from now."""
    from storage import Retention

    at = datetime.now(UTC)
    return [
        Retention.of(library.name, days=library.retention_days, at=at)
        for library in libraries
        if library.retention_days is not None
    ]


def request_of(
    library: LibrarySettings,
    *,
    home: Path,
    more_questions: Sequence[str],
    choice: EngineChoice,
    loader: Callable[[EngineChoice], Callable[[], Executor]],
    patience_s: float,
    retry_quarantined: bool = False,
    beside: bool = False,
    paths: Sequence[Path] | None = None,
) -> Request:
    """What `index` is asked for a library, or for `paths` of it. `more_questions` are asked, and don't stand.

    Raises ValueError for settings that can't be used.
    """
    from engines.contract import DESCRIBE, Question
    from indexer.questions import as_question
    from indexer.request import Request

    rows = standing_of(library)
    standing = [Question(task=row.task, text=row.text) for row in rows]  # type: ignore[arg-type]
    questions = dict.fromkeys((DESCRIBE, *standing, *map(as_question, more_questions)))
    where = places(library)
    return Request(
        paths=where.paths if paths is None else paths,
        roots=where.roots if paths is None else (*where.roots, *where.paths),
        named=False,
        home=home,
        library=library.name,
        questions=tuple(questions),
        standing=rows,
        retire_others=True,
        executor=loader(choice),
        chosen=choice.kept(),
        patience_s=patience_s,
        retry_quarantined=retry_quarantined,
        beside=beside,
        retention=next(iter(retentions([library])), None),
    )


def index_configured(
    context: typer.Context,
    *,
    library: str | None,
    flags: IndexFlags,
    loader: Callable[[EngineChoice], Callable[[], Executor]],
    stop: Stop,
) -> NightReport:
    """Index the libraries of the settings, or the one of this name. Raises ValueError before any work."""
    from indexer.nightly import index_libraries

    by_hand = given(context)
    wanted = [
        replace(item, packs=(*item.packs, *flags.packs))
        for item in chosen(configured(context), [] if library is None else [library])
    ]
    requests = [
        request_of(
            item,
            home=flags.home,
            more_questions=flags.questions,
            choice=flags.choice.of_library(item, given=by_hand),
            loader=loader,
            patience_s=flags.patience_s,
            retry_quarantined=flags.retry,
            beside=flags.beside,
        )
        for item in wanted
    ]
    with flags.reporter() as told:
        night = index_libraries(
            requests,
            home=flags.home,
            url=flags.database,
            retentions=retentions(wanted),
            reporter=told,
            stop=stop,
            waits=True,
        )
    for report in night.reports:
        flags.ended(report)
    return night
