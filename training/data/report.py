"""What was found when data were looked through: counts, and the rows that can't be used, by name."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from grounding.errors import printable
from training.data.layout import Split

Kind = Literal["row", "answer", "evidence", "time", "duplicate", "missing", "media", "reasoning"]

ADVICE: dict[Kind, str] = {
    "row": "mend the field, or leave the row out",
    "answer": "write the answer as its task has it (docs/training-data.md)",
    "evidence": "correct the box or the time, or leave it out",
    "time": "correct the time: it counts in seconds from the video's start",
    "duplicate": "give each row an id of its own; the row is used all the same",
    "missing": "fetch the file, or train without such rows by --skip-missing",
    "media": "fetch the file again, or leave the row out",
    "reasoning": "nothing needs to be done: the claim is trained on as words",
}
"""What to do about a finding of each kind."""

NOTES: frozenset[Kind] = frozenset({"duplicate", "reasoning"})
"""Findings with which a row is used."""

MAX_FINDINGS = 1000
"""Findings that are kept of each kind; all are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong with one row; a note where it is of `NOTES`. `index` counts from 0."""

    index: int
    id: str
    kind: Kind
    what: str

    @property
    def advice(self) -> str:
        return ADVICE[self.kind]


@dataclass(slots=True, kw_only=True)
class SourceCount:
    """Rows of one source: all, those that can be used, and those whose media aren't there."""

    rows: int = 0
    usable: int = 0
    missing: int = 0


@dataclass(slots=True, kw_only=True)
class Report:
    """Of one split. `by_task` counts usable rows. `media_checked` says that every video was opened."""

    split: Split
    path: Path
    rows: int = 0
    usable: int = 0
    media_checked: bool = False
    by_task: Counter[str] = field(default_factory=Counter)
    by_source: dict[str, SourceCount] = field(default_factory=dict)
    by_kind: Counter[Kind] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Count a finding, and keep it where there are not too many of its kind already."""
        self.by_kind[finding.kind] += 1
        if self.by_kind[finding.kind] <= MAX_FINDINGS:
            self.findings.append(finding)

    @property
    def missing(self) -> int:
        """Rows whose media aren't there."""
        return sum(source.missing for source in self.by_source.values())

    @property
    def broken(self) -> int:
        """Rows that can't be used for another reason."""
        return self.rows - self.usable - self.missing

    def document(self) -> dict[str, Any]:
        """As `proofreel.data-check/1` has a split."""
        return {
            "split": self.split,
            "path": printable(os.path.abspath(self.path)),
            "rows": self.rows,
            "usable": self.usable,
            "missing": self.missing,
            "broken": self.broken,
            "media_checked": self.media_checked,
            "tasks": dict(sorted(self.by_task.items())),
            "sources": {
                name: {"rows": count.rows, "usable": count.usable, "missing": count.missing}
                for name, count in sorted(self.by_source.items())
            },
            "problems": dict(sorted(self.by_kind.items())),
            "findings": [
                {"index": f.index, "id": f.id, "kind": f.kind, "what": f.what, "advice": f.advice}
                for f in self.findings
            ],
        }
