"""What the driver of a night and its workers say to each other: paths and windows in, finished rows out.

All of it is small and pickled; a frame never leaves the worker that decoded it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.contract import ClipSpec
from grounding.evidence import Span
from indexer.identity import Stamp
from indexer.library import FoundFile
from indexer.report import Stage
from storage.rows import SegmentRows, StoredQuestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduce:
    """Say which engine it is. Given back: `EngineFacts`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognise:
    """Find out what a file is. Given back: `identify.Recognised` or `identify.Unusable`."""

    found: FoundFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Examine:
    """Cut a video into windows. Given back: `Examined` or `Refused`."""

    path: Path
    stamp: Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Answer `questions` on `windows`, in order. Given back for each: `Looked`, `Failed` or `Oversized`.

    `Loading` may come before them; `Gone` and `Refused` end the order.
    """

    path: Path
    stamp: Stamp
    questions: tuple[StoredQuestion, ...]
    windows: tuple[Span, ...]


Order = Introduce | Recognise | Examine | Look


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What the driver needs to know of an engine that it never loads, and what that runs on."""

    name: str
    fingerprint: str
    spec: ClipSpec
    device: str = "cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """The windows of a file as the engine wants them, and what the user should know of it."""

    windows: tuple[Span, ...]
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The file can't be worked on at all."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """The engine's models are being loaded, which takes as long as it takes and is no video's fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """All rows of window `number` of the order."""

    number: int
    rows: SegmentRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Window `number` gave no rows."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversized:
    """Window `number` doesn't fit the memory of the engine's device; halves of it may."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The file is no longer the one that was hashed."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One piece of an order, and the seconds that went into it by stage."""

    value: Any
    spent: Mapping[Stage, float] = field(default_factory=dict)
