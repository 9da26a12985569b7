"""A run as `proofreel.evaluate/1`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grounding.errors import printable
from training.evaluate.proofworld import Request
from training.evaluate.summary import Summary

DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was asked, of what, and what came of it. `masked`: the share of questions that a mask changed;
    `run`: the command, commit, device, versions and seconds of it.
    """

    suite: str
    request: Request
    engine: str
    model: str | None
    fingerprint: str
    cutouts: int
    items: int
    clips: int
    masked: float | None
    summary: Summary
    run: Mapping[str, Any]
    against: Path | None = None
    difference: Summary | None = None
    out: Path | None = None

    def document(self) -> dict[str, Any]:
        """The document; numbers to four digits, null where nothing counts towards one."""
        request = self.request
        document: dict[str, Any] = {
            "schema": "proofreel.evaluate/1",
            "suite": self.suite,
            "n": self.items,
            "clips": self.clips,
            "metrics": self.summary.metrics,
            "intervals": self.summary.intervals,
            "kinds": self.summary.kinds,
            "engine": self.engine,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "seed": request.seed,
            "level": request.level,
            "split": request.split,
            "asked_kinds": list(request.kinds),
            "cutouts": self.cutouts,
            "control": request.control,
            "masked": self.masked,
            "out": None if self.out is None else printable(os.path.abspath(self.out)),
            "against": self._against(),
            "run": dict(self.run),
        }
        return {name: _rounded(value) for name, value in document.items()}

    def _against(self) -> dict[str, Any] | None:
        if self.difference is None or self.against is None:
            return None
        return {
            "file": printable(os.path.abspath(self.against)),
            "differences": self.difference.metrics,
            "intervals": self.difference.intervals,
            "kinds": self.difference.kinds,
        }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list | tuple) else value
