from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, TextColumn

from indexer.progress import Bars, reporter
from indexer.report import FileReport

FAILED = FileReport(path=Path("/v/a\nb.mp4"), status="failed", reason="it is empty", seconds=None)
INDEXED = FileReport(path=Path("/v/c.mp4"), status="indexed", seconds=10.0)
UNCHANGED = FileReport(path=Path("/v/d.mp4"), status="unchanged", seconds=10.0)


def test_without_a_terminal_there_is_one_line_a_file_that_had_something_to_do() -> None:
    stream = io.StringIO()
    with reporter(quiet=False, stream=stream) as told:
        for report in (FAILED, INDEXED, UNCHANGED):
            told.file_done(report)

    assert stream.getvalue().splitlines() == [
        "failed    /v/a\\nb.mp4: it is empty",
        "indexed   /v/c.mp4 (10.0 s)",
    ]


def test_quiet_says_nothing() -> None:
    stream = io.StringIO()
    with reporter(quiet=True, stream=stream) as told:
        told.planned(files=1, segments=2, seconds=3.0)
        told.segment_done(Path("a"), seconds=3.0)
        told.file_done(FAILED)

    assert stream.getvalue() == ""


def test_on_a_terminal_segments_and_times_real_are_counted_and_failures_stay() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    progress = Progress(
        TextColumn("{task.fields[speed]} {task.fields[detail]} {task.completed}/{task.total}"),
        console=console,
    )
    now = [100.0]
    bars = Bars(progress, stream, clock=lambda: now[0])
    bars.planned(files=2, segments=4, seconds=40.0)
    now[0] += 2.0
    bars.segment_done(Path("c.mp4"), seconds=10.0)
    bars.file_done(FAILED)
    bars.file_done(INDEXED)

    task = progress.tasks[0]
    assert (task.completed, task.total) == (10.0, 40.0)
    assert task.fields["speed"] == "5.0x" and task.fields["detail"].startswith("segment 1/4")
    assert "it is empty" in stream.getvalue() and "indexed" not in stream.getvalue()


def test_a_name_or_a_reason_that_a_terminal_would_obey_is_shown_and_not_obeyed() -> None:
    stream = io.StringIO()
    progress = Progress(TextColumn("{task.fields[detail]}", markup=False), console=Console(file=stream))
    bars = Bars(progress, stream)
    bars.looking(Path("/v/\x1b]0;title\x07a.mp4"))
    bars.file_done(replace(FAILED, reason="\x1b[31mred\x1b[0m\nand more"))

    assert progress.tasks[0].fields["detail"] == "\\x1b]0;title\\x07a.mp4"
    assert stream.getvalue().splitlines() == ["failed    /v/a\\nb.mp4: red and more"]
