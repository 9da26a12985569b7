"""A video that has something left to do, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from grounding.evidence import Span
from indexer.identity import Stamp

State = Literal["done", "failed", "quarantined", "stopped", "elsewhere"]
"""How far a task came; "elsewhere" means that another driver is at it, or has done it meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A video with jobs that wait, the path that it is read from, its length in seconds, and what a machine
    needs to be able to do for it.
    """

    video_id: int
    path: Path
    stamp: Stamp
    length_s: float
    labels: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class Fate:
    """What became of a task. `windows` are those committed now.

    `reason` is None when all went well; `note` is what the user should know also then.
    """

    state: State = "done"
    reason: str | None = None
    note: str | None = None
    windows: list[Span] = field(default_factory=list)
    moments: int = 0
