"""What `index` and `ask` print of what they did: one JSON document, or lines for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from grounding.errors import printable
from grounding.plain import counted, plain

if TYPE_CHECKING:
    from indexer.asking import AskResult
    from indexer.nightly import NightReport
    from indexer.report import IndexReport


def print_json(document: dict[str, Any]) -> None:
    print(json.dumps(document))


def print_index(report: IndexReport) -> None:
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
    elif report.ending == "disk":
        print("stopped before the disk is full; what is done is kept, the same command goes on from here")


def print_night(report: NightReport) -> None:
    for one in report.reports:
        print(f"library {plain(one.library)}")
        print_index(one)
    for name in report.not_begun:
        print(f"library {plain(name)}: not begun; the same command goes on from here")


def print_answer(result: AskResult, *, wanted_overlay: bool) -> None:
    print(plain(result.answer.text))
    for item in result.answer.evidence:
        boxes = " ".join(f"[{b.x1:.3f} {b.y1:.3f} {b.x2:.3f} {b.y2:.3f}]" for b in item.claim.boxes)
        sure = "" if item.confidence is None else f"  {item.confidence:.2f}"
        print(f"  {item.time_s:9.3f} s  {plain(item.claim.subject)}  {boxes}{sure}")
    looked_at = f"looked at {result.looked_at_s:.1f} of {result.seconds:.1f} s with {plain(result.engine)}"
    print("; ".join([looked_at, *_may_miss(result)]))
    if result.overlay is not None:
        print(f"the proof is drawn in {printable(result.overlay)}")
    elif wanted_overlay:
        print("there is no proof to draw")


def _may_miss(result: AskResult) -> list[str]:
    """How close the answer looked, and what it may have missed: between samples, where nothing was seen."""
    said = []
    if result.interval_s is not None:
        misses = ", so what is shorter can be missed" if result.found_nothing else ""
        said.append(f"a frame every {result.interval_s:g} s{misses}")
    unseen = [(kind, result.coverage[kind]) for kind in ("damaged", "skipped")]
    return [*said, *(f"{seconds:.1f} s {kind}" for kind, seconds in unseen if seconds >= 0.05)]
