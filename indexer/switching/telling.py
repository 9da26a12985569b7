"""A comparison, and a switch, as documents, lines and a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grounding.errors import printable
from grounding.plain import clock, counted, plain
from indexer.morning.text import DESCRIPTION
from indexer.pages import page
from indexer.plots import bars
from indexer.report import shown
from indexer.switching.comparing import Change, Compared, Comparison
from indexer.switching.pairing import Told
from indexer.switching.reviewed import Reviewed
from storage.paths import path_to_text
from storage.switching import RunName, SwitchMade

MOST_LISTED = 30
MOST_ON_PAGE = 2_000


def comparison_document(found: Comparison) -> dict[str, Any]:
    """`proofreel.compare/1`."""
    verdicts = found.verdicts
    return {
        "schema": "proofreel.compare/1",
        "before": _run(found.before),
        "after": _run(found.after),
        "videos": found.videos,
        "only_before": {"videos": found.only_before, "questions": list(found.asked_before)},
        "only_after": {"videos": found.only_after, "questions": list(found.asked_after)},
        "questions": [_question(table) for table in found.questions],
        "reviewed": {"before": _reviewed(verdicts.before), "after": _reviewed(verdicts.after)},
        "changes": [_change(change) for change in found.changes],
    }


def switch_document(made: SwitchMade) -> dict[str, Any]:
    """`proofreel.switch/1`."""
    return {
        "schema": "proofreel.switch/1",
        "before": _run(made.before),
        "after": _run(made.after),
        "videos": made.videos,
        "left": made.left,
        "unasked": list(made.unasked),
    }


def comparison_lines(found: Comparison) -> Iterator[str]:
    """What changed, for people."""
    runs = f"{run_told(found.before)} and {run_told(found.after)}"
    yield f"{runs}, {counted(found.videos, 'video')} done by both"
    for run, videos, questions in (
        (found.before, found.only_before, found.asked_before),
        (found.after, found.only_after, found.asked_after),
    ):
        if videos:
            yield f"  {counted(videos, 'video')} more by run {run.id} alone"
        for question in questions:
            yield f"  asked of run {run.id} alone: {plain(question) or DESCRIPTION}"
    for table in found.questions:
        yield from _question_lines(table)
    for run, reviewed in ((found.before, found.verdicts.before), (found.after, found.verdicts.after)):
        if reviewed.precision is not None:
            ruled = reviewed.confirmed + reviewed.rejected
            share = f"{reviewed.confirmed} of {counted(ruled, 'reviewed moment')}"
            yield f"  of run {run.id}, {share} were confirmed (precision {reviewed.precision:.2f})"
    for change in found.changes[:MOST_LISTED]:
        yield change_line(change)
    if len(found.changes) > MOST_LISTED:
        yield f"and {len(found.changes) - MOST_LISTED:,} more changes; --json lists all"


def comparison_page(found: Comparison) -> str:
    """One HTML file. Needs jinja2 and matplotlib."""
    numbers = [
        (f"{name}: {plain(table.question) or DESCRIPTION}", float(value))
        for table in found.questions
        for name, value in (("kept", table.kept), ("gone", table.gone), ("new", table.new))
    ]
    values = {
        "title": f"Proofreel: {run_told(found.before)} and {run_told(found.after)}",
        "home": printable(found.home),
        "videos": counted(found.videos, "video"),
        "notes": [line for line in comparison_lines(found) if line.startswith("  ")][:20],
        "questions": [{**_question(t), "name": plain(t.question) or DESCRIPTION} for t in found.questions],
        "plot": bars("Moments", numbers, unit="moments") if numbers else "",
        "changes": [_on_page(change) for change in found.changes[:MOST_ON_PAGE]],
        "more": max(0, len(found.changes) - MOST_ON_PAGE),
    }
    return page("compare.html", values)


def switch_line(made: SwitchMade) -> str:
    """A switch in a sentence."""
    left = f"; {counted(made.left, 'video')} that it is not done with stay as they were" if made.left else ""
    lost = ", ".join(f'"{plain(text) or DESCRIPTION}"' for text in made.unasked)
    asks = f"; it was not asked {lost}, so that search no longer finds what was answered" if lost else ""
    return (
        f"search shows {run_told(made.after)} in the place of {run_told(made.before)}, of "
        f"{counted(made.videos, 'video')}{left}{asks}"
    )


def run_told(run: RunName) -> str:
    """A run for people."""
    return f"run {run.id} ({plain(run.engine)})"


def change_line(change: Change) -> str:
    """A change in one line."""
    where = "(no file)" if change.path is None else shown(change.path)
    asked = f" [{plain(change.question)}]" if change.question else ""
    return f"{change.kind:9} {where} {_what(change)}{asked}"


def _what(change: Change) -> str:
    if change.before is None or change.after is None:
        told = change.before or change.after
        assert told is not None
        return f"{_when(told)}: {plain(told.text)}"
    if change.kind == "moved":
        return f"{_when(change.before)} to {_when(change.after)}: {plain(change.after.text)}"
    return f"{_when(change.after)}: {plain(change.before.text)} -> {plain(change.after.text)}"


def _when(told: Told) -> str:
    return f"{clock(told.start_s)}-{clock(told.end_s)}"


def _question_lines(table: Compared) -> Iterator[str]:
    yield f"{plain(table.question) or DESCRIPTION}:"
    yield (
        f"  {table.before} moments and {table.after}: {table.kept} in both ({table.moved} moved, "
        f"{table.reworded} reworded), {table.gone} gone, {table.new} new"
    )
    boxes = table.boxes
    if boxes.pairs or boxes.gone or boxes.new:
        mean = "" if table.mean_iou is None else f" (mean IoU {table.mean_iou:.2f})"
        yield f"  boxes: {boxes.pairs} in both{mean}, {boxes.gone} gone, {boxes.new} new"
    if table.abstained_before or table.abstained_after:
        yield (
            f"  could not tell in {table.abstained_before} of {table.windows_before} windows, and in "
            f"{table.abstained_after} of {table.windows_after}"
        )


def _run(run: RunName) -> dict[str, Any]:
    return {"run": run.id, "engine": run.engine, "fingerprint": run.fingerprint}


def _reviewed(reviewed: Reviewed) -> dict[str, Any]:
    precision = None if reviewed.precision is None else round(reviewed.precision, 4)
    return {"confirmed": reviewed.confirmed, "rejected": reviewed.rejected, "precision": precision}


def _question(table: Compared) -> dict[str, Any]:
    boxes = table.boxes
    return {
        "question": table.question,
        "before": table.before,
        "after": table.after,
        "kept": table.kept,
        "moved": table.moved,
        "reworded": table.reworded,
        "gone": table.gone,
        "new": table.new,
        "boxes": {
            "kept": boxes.pairs,
            "gone": boxes.gone,
            "new": boxes.new,
            "mean_iou": None if table.mean_iou is None else round(table.mean_iou, 4),
        },
        "windows": {"before": table.windows_before, "after": table.windows_after},
        "abstained": {"before": table.abstained_before, "after": table.abstained_after},
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "path": None if change.path is None else path_to_text(change.path),
        "question": change.question,
        "before": _told(change.before),
        "after": _told(change.after),
    }


def _told(told: Told | None) -> dict[str, Any] | None:
    if told is None:
        return None
    return {"moment": told.id, "start": told.start_s, "end": told.end_s, "text": told.text}


def _on_page(change: Change) -> dict[str, str]:
    return {
        "kind": change.kind,
        "file": "(no file)" if change.path is None else printable(change.path.name),
        "question": plain(change.question) or DESCRIPTION,
        "what": _what(change),
    }
