"""What `status` prints for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from grounding.plain import counted, plain
from indexer.damage import CutOffVideo, DamagedVideo, told
from indexer.report import shown
from indexer.states import states_lines
from indexer.status import OpenJob, Status

MOST_LISTED = 20
"""Lines of one kind; the JSON of `status` lists all."""

T = TypeVar("T")


def print_status(found: Status) -> None:
    for library in found.libraries:
        missing = f", {library.missing} missing" if library.missing else ""
        print(
            f"library {plain(library.name)}: {counted(library.files, 'file')}{missing}, "
            f"{counted(library.videos, 'video')}, {library.seconds:.1f} s"
        )
    for run in found.runs:
        seen = ", ".join(f"{seconds:.1f} s {kind}" for kind, seconds in run.coverage.items() if seconds)
        kept_back = f", {counted(run.hidden_videos, 'video')} not in search" if run.hidden_videos else ""
        print(
            f"run {run.id}, engine {plain(run.engine)}: {seen or 'nothing looked at'}, "
            f"{run.pending_seconds:.1f} s pending{kept_back}"
        )
    print(f"{counted(found.moments, 'moment')}, {found.pending_s:.1f} s pending in all")
    for line in states_lines(found.states):
        print(line)
    _print_listed("pending", found.pending, _open_job)
    _print_listed("pending", found.not_begun, lambda v: f"{_where(v.path)}: {v.seconds:.1f} s, not begun")
    _print_listed("quarantined", found.quarantined, _open_job)
    _print_listed("damaged", found.damaged, _damaged)
    _print_listed("cut off", found.cut_off, _cut_off)
    _print_listed("unusable", found.unusable, lambda file: f"{_where(file.path)}: {plain(file.reason)}")


def _print_listed(kind: str, items: Sequence[T], line: Callable[[T], str]) -> None:
    for item in items[:MOST_LISTED]:
        print(f"{kind:12} {line(item)}")
    if len(items) > MOST_LISTED:
        print(f"{kind:12} and {len(items) - MOST_LISTED:,} more; --json lists all")


def _open_job(job: OpenJob) -> str:
    reason = f": {plain(job.reason)}" if job.reason else ""
    return f"{_where(job.path)}: {counted(job.segments_left, 'segment')}{reason}"


def _damaged(video: DamagedVideo) -> str:
    return f"{_where(video.path)}: {told(video.damaged_s, seconds=video.seconds)}"


def _cut_off(video: CutOffVideo) -> str:
    return f"{_where(video.path)}: {video.missing_s:.1f} s are missing at its end"


def _where(path: Path | None) -> str:
    return "(no file)" if path is None else shown(path)
