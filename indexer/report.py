"""What `index` tells about itself: one line a file, and the sums."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from grounding.errors import printable
from storage.paths import path_to_text

FileStatus = Literal["indexed", "unchanged", "duplicate", "skipped", "failed"]
Stage = Literal["hash", "probe", "load", "read", "wait", "engine", "embed", "write", "vectors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What became of one file. `seconds` is its length in video time, None where it has none.

    "unchanged" was there before and had nothing left to do; a "duplicate" has the content of another path
    (named in `reason`); "skipped" is no video; "failed" is a file that should have been indexed and was not,
    or not in full. `damaged_s`: so much of a file that was indexed now can't be seen for damage.
    """

    path: Path
    status: FileStatus
    reason: str | None = None
    seconds: float | None = None
    damaged_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The sums of one run. `video_seconds` is what was looked at in this run, `wall_seconds` what it took;
    `pending_seconds` are left to do in the library, asked for now or before.

    `spent` holds seconds by stage; "read" runs beside "engine", so they can sum to more than the wall clock,
    and "wait" is how long the engine's side waited for a window.
    """

    files: Mapping[FileStatus, int]
    video_seconds: float
    wall_seconds: float
    segments: int
    moments: int
    pending_seconds: float
    spent: Mapping[Stage, float]

    @property
    def times_real(self) -> float:
        """Seconds of video a second of wall clock."""
        return self.video_seconds / self.wall_seconds if self.wall_seconds > 0 else 0.0


Ending = Literal["complete", "interrupted", "until", "disk", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReport:
    """Everything that one `index` did. `ending` tells whether it ran to its end, and if not, why; `fault` is
    what went wrong with the home, in a sentence, where it ended as "failed", or as "disk" before it was full.
    """

    library: str
    files: tuple[FileReport, ...] = field(repr=False)
    totals: Totals
    ending: Ending = "complete"
    fault: str | None = None

    @property
    def failed(self) -> tuple[FileReport, ...]:
        return tuple(f for f in self.files if f.status == "failed")

    def document(self) -> dict[str, Any]:
        """The report as "proofreel.index/1"."""
        totals = self.totals
        return {
            "schema": "proofreel.index/1",
            "library": self.library,
            "ending": self.ending,
            "fault": self.fault,
            "files": [_file(f) for f in self.files],
            "totals": {
                "files": len(self.files),
                **dict(totals.files),
                "segments": totals.segments,
                "moments": totals.moments,
                "video_seconds": round(totals.video_seconds, 3),
                "pending_seconds": round(totals.pending_seconds, 3),
                "wall_seconds": round(totals.wall_seconds, 3),
                "times_real": round(totals.times_real, 2),
                "spent": {stage: round(seconds, 3) for stage, seconds in totals.spent.items()},
            },
        }


def _file(report: FileReport) -> dict[str, Any]:
    seconds = None if report.seconds is None else round(report.seconds, 3)
    return {
        "path": path_to_text(report.path),
        "status": report.status,
        "reason": report.reason,
        "seconds": seconds,
        "damaged_seconds": None if report.damaged_s is None else round(report.damaged_s, 3),
    }


def shown(path: Path) -> str:
    """A path for people: relative to the working directory where it lies in it, one printable line."""
    try:
        return printable(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return printable(os.fspath(path))
