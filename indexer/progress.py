"""How far the night has come, on standard error: bars on a terminal, one line a file elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

from grounding.errors import printable
from grounding.plain import plain
from indexer.report import FileReport, shown

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import Progress, TaskID


class Reporter(Protocol):
    """Told what happens as it happens. Seconds are of video time unless said otherwise."""

    def looking(self, path: Path) -> None:
        """A file is being read to find out what it is."""
        ...

    def planned(self, *, files: int, segments: int, seconds: float) -> None:
        """How much work there is, once every file is known."""
        ...

    def segment_done(self, path: Path, *, seconds: float) -> None:
        """One segment of `path` is committed (or given up), `seconds` long."""
        ...

    def file_done(self, report: FileReport) -> None:
        """Nothing more will happen to this file in this run."""
        ...

    def note(self, text: str) -> None:
        """Something that the user should know, in one sentence."""
        ...


class Silent:
    """Says nothing but notes: for `--json`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def looking(self, path: Path) -> None: ...
    def planned(self, *, files: int, segments: int, seconds: float) -> None: ...
    def segment_done(self, path: Path, *, seconds: float) -> None: ...
    def file_done(self, report: FileReport) -> None: ...

    def note(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


class Lines(Silent):
    """One line a file: for a log or a pipe. Files that had nothing to do are not named."""

    def file_done(self, report: FileReport) -> None:
        if report.status != "unchanged":
            print(line(report), file=self._stream, flush=True)


class Bars(Silent):
    """A line that moves: files, segments, x real time, time left. Failures and notes stay above it."""

    def __init__(
        self,
        progress: Progress,
        stream: TextIO,
        *,
        doing: str = "indexing",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(stream)
        self._progress = progress
        self._doing = doing
        self._clock = clock
        self._task: TaskID = progress.add_task("looking", total=None, speed="", detail="")
        self._segments, self._done, self._seconds, self._started = 0, 0, 0.0, clock()

    def looking(self, path: Path) -> None:
        self._progress.update(self._task, detail=printable(path.name)[:40])

    def planned(self, *, files: int, segments: int, seconds: float) -> None:
        self._segments, self._started = segments, self._clock()
        self._progress.update(self._task, description=self._doing, total=seconds, detail=f"{files} files")

    def segment_done(self, path: Path, *, seconds: float) -> None:
        self._done += 1
        self._seconds += seconds
        wall_s = max(self._clock() - self._started, 1e-3)
        self._progress.update(
            self._task,
            advance=seconds,
            detail=f"segment {self._done}/{self._segments} {shown(path)[-40:]}",
            speed=f"{self._seconds / wall_s:.1f}x",
        )

    def file_done(self, report: FileReport) -> None:
        if report.status == "failed":
            self.note(line(report))

    def note(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)


def line(report: FileReport) -> str:
    """One file's fate in one printable line."""
    length = "" if report.seconds is None else f" ({report.seconds:.1f} s)"
    reason = f": {plain(report.reason)}" if report.reason else ""
    return f"{report.status:9} {shown(report.path)}{length}{reason}"


@contextmanager
def reporter(*, quiet: bool, stream: TextIO, doing: str = "indexing") -> Iterator[Reporter]:
    """The reporter that fits: silent when asked, bars on a terminal, lines elsewhere.

    `doing` stands before the bar.
    """
    if quiet:
        yield Silent(stream)
    elif not stream.isatty():
        yield Lines(stream)
    else:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[speed]:>7}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}", markup=False),
        )
        with Progress(*columns, console=Console(file=stream), transient=True) as progress:
            yield Bars(progress, stream, doing=doing)
