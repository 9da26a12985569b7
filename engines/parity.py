"""`parity.json` of an export: whether its graphs say what their checkpoint says, by `proofreel export check`.

It belongs to one export (its manifest's identity), and carries a checksum of its own, so that a red one
can't be made green by hand unnoticed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from engines.manifest import read_sealed, sealed
from grounding.errors import EngineError, printable

SCHEMA = "proofreel.parity/1"
NAME = "parity.json"

Measure = Literal["largest error", "mean cosine", "lowest cosine", "tokens alike", "share", "count"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was measured. `point` is its number in the protocol (docs/export.md).

    `passed` is None for what is told and not judged; `bound` then is None too.
    """

    point: int
    what: str
    case: str
    measure: Measure
    value: float
    bound: float | None = None
    passed: bool | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """All that was measured of the export `identity`, run by `runtime` ("onnx on cpu")."""

    identity: str
    family: str
    dtype: str
    runtime: str
    versions: Mapping[str, str]
    findings: Sequence[Finding]

    @property
    def passed(self) -> bool:
        judged = [finding.passed for finding in self.findings if finding.passed is not None]
        return bool(judged) and all(judged)

    def document(self) -> dict[str, Any]:
        """`proofreel.parity/1`."""
        return sealed(
            {
                "schema": SCHEMA,
                "identity": self.identity,
                "family": self.family,
                "dtype": self.dtype,
                "runtime": self.runtime,
                "versions": dict(self.versions),
                "passed": self.passed,
                "findings": [asdict(finding) for finding in self.findings],
            }
        )

    def write(self, folder: Path) -> None:
        """Write it into `folder`, sealed."""
        (folder / NAME).write_text(json.dumps(self.document(), indent=1) + "\n", encoding="utf-8")


def require_parity(folder: Path, *, identity: str) -> None:
    """That the export in `folder`, of this identity, was held against its checkpoint and found the same.

    Raises EngineError, with the command to run, when its parity file is missing, of another export, changed
    by hand, or red.
    """
    where = f"export {printable(folder)}"
    again = f"run `proofreel export check {printable(folder)}`, or go on with --unchecked"
    if not (folder / NAME).is_file():
        raise EngineError(f"{where} was never held against its checkpoint; {again}")
    body = read_sealed(folder / NAME, schema=SCHEMA, where=where, again=again)
    if body["identity"] != identity:
        raise EngineError(f"{where}: {NAME} is of another export; {again}")
    if body["passed"] is not True:
        raise EngineError(f"{where} does not say what its checkpoint says ({_worst(body)}); {again}")


def _worst(body: Mapping[str, Any]) -> str:
    red = [finding for finding in body["findings"] if finding["passed"] is False]
    first = f"{red[0]['what']}, {red[0]['case']}" if red else "nothing was judged"
    return first + (f", and {len(red) - 1} more" if len(red) > 1 else "")
