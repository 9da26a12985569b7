"""Data and examples as a person reads them. Nothing from a row is taken for markup or control codes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grounding.errors import printable
from grounding.plain import counted, plain

if TYPE_CHECKING:
    from training.data.converting.writing import Converted
    from training.data.examples import Example
    from training.data.report import Report

MOST_LISTED = 20
"""Findings of one kind that are printed; the JSON document lists more."""

_WIDTH_IN_A_PIPE = 160


def print_report(report: Report, *, console: Console | None = None) -> None:
    """Counts by source and task, then what is wrong, by kind."""
    out = console or _console()
    out.print(
        Text(f"{printable(report.path)}: {report.usable:,} of {counted(report.rows, 'row')} can be used.")
    )
    if not report.rows:
        out.print(
            Text("There is nothing in it to train on: add rows (docs/training-data.md)."), soft_wrap=True
        )
        return
    sources = _table("source", "rows", "usable", "missing")
    for name, count in sorted(report.by_source.items()):
        sources.add_row(Text(plain(name)), f"{count.rows:,}", f"{count.usable:,}", f"{count.missing:,}")
    out.print(sources)
    tasks = _table("task", "usable")
    for name, usable in sorted(report.by_task.items()):
        tasks.add_row(Text(plain(name)), f"{usable:,}")
    out.print(tasks)
    listed: Counter[str] = Counter()
    for finding in report.findings:
        listed[finding.kind] += 1
        if listed[finding.kind] <= MOST_LISTED:
            line = f"row {finding.index} ({plain(finding.id)}): {plain(finding.what)}"
            out.print(Text(line), soft_wrap=True)
        if listed[finding.kind] == 1:
            out.print(Text(f"    {finding.kind}: {finding.advice}"), soft_wrap=True)
    for kind, found in sorted(report.by_kind.items()):
        if found > MOST_LISTED:
            out.print(Text(f"{kind}: {found:,} in all, {MOST_LISTED} shown"))


def print_converted(made: Converted, *, console: Console | None = None) -> None:
    """What came of a conversion."""
    out = console or _console()
    asked = ", ".join(f"{count:,} {task}" for task, count in sorted(made.by_task.items()))
    what = f"{counted(made.tracks, 'track')} and {counted(made.events, 'event')}"
    out.print(
        Text(
            f"{printable(made.out)}: {counted(made.videos, 'video')}, {what}; {made.rows['sft']:,} SFT and "
            f"{made.rows['rl']:,} RL rows ({asked or 'nothing to ask'})."
        ),
        soft_wrap=True,
    )
    for reason, count in sorted(made.left_out.items()):
        out.print(Text(f"left out: {count:,} annotations ({plain(reason)})"))
    if made.rows["sft"]:
        out.print(Text(f"Look them through: proofreel train data check --root {printable(made.out)}"))


def print_example(example: Example, *, console: Console | None = None) -> None:
    """Everything of an example but its pixels."""
    out = console or _console()
    width, height = example.frame_size
    times = " ".join(f"{time_s:g}" for time_s in example.times_s)
    evidence = "; ".join(
        f"{claim.subject} at {claim.time_s:g} s (moved {moved_s:.3f} s)"
        for claim, moved_s in zip(example.truth.evidence, example.moved_s, strict=True)
    )
    spans = ", ".join(f"{span.start_s:g} to {span.end_s:g} s" for span in example.truth.spans)
    for name, value in (
        ("row", f"{example.index} ({example.id}), {example.source}, {example.task}"),
        ("frames", f"{len(example.frames)} of {width}x{height} px, at {times} s of {example.duration_s:g} s"),
        ("system", example.system),
        ("question", example.question),
        ("completion", example.completion or "none: it is for RL"),
        ("answer", example.truth.answer or spans or str(example.truth.box)),
        ("evidence", evidence or "none"),
    ):
        line = Text(f"{name}: ", style="bold")
        line.append(Text("\n".join(plain(part) for part in value.splitlines()), style="not bold"))
        out.print(line, soft_wrap=True)


def _table(*names: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for place, name in enumerate(names):
        table.add_column(name, justify="right" if place else "left")
    return table


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH_IN_A_PIPE)
