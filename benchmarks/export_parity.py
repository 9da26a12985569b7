"""How close exports come to their checkpoints: `export onnx` and `export check`, on tiny random ones.

    python -m benchmarks.export_parity

Both families in fp32, fp16 and int8. Writes benchmarks/results/export-parity.json, and prints the table of
docs/export.md.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from engines.manifest import ExportType
from engines.parity import Finding, Parity
from export.checking import check_export
from export.onnx import export_checkpoint
from export.reading import read_by_tensorrt
from tests import tiny_qwen

FAMILIES = ("qwen2_5_vl", "qwen3_vl")
DTYPES: tuple[ExportType, ...] = ("fp32", "fp16", "int8")
RESULT = Path(__file__).parent / "results" / "export-parity.json"


def measured(root: Path) -> Iterator[Parity]:
    """Every export, checked."""
    for family in FAMILIES:
        checkpoint = tiny_qwen.save_checkpoint(root / family, family)
        for dtype in DTYPES:
            out = root / f"{family}-{dtype}"
            export_checkpoint(str(checkpoint), out, dtype=dtype, max_length=4096)
            yield check_export(out, inspections=[read_by_tensorrt])


def table(checks: list[Parity]) -> str:
    """Markdown: a row a measurement, a column an export."""
    heads = [f"{check.family} {check.dtype}" for check in checks]
    rows: dict[str, dict[str, str]] = {}
    for head, check in zip(heads, checks, strict=True):
        for finding in sorted(check.findings, key=lambda finding: finding.point):
            name = f"{finding.point} {finding.what}, {finding.case}"
            rows.setdefault(name, {})
            rows[name][head] = "; ".join(filter(None, [rows[name].get(head), _cell(finding)]))
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    lines += [
        f"| {name} | {' | '.join(cells.get(head, '') for head in heads)} |"
        for name, cells in sorted(rows.items(), key=lambda row: row[0][0])
    ]
    return "\n".join(lines)


def _cell(finding: Finding) -> str:
    value = finding.value
    shown = {"tokens alike": f"{value:.0f}", "count": f"{value:.0f}", "largest error": f"{value:.1e}"}.get(
        finding.measure, f"{value:.5f}"
    )
    return shown + {True: "", False: " **red**", None: " (told)"}[finding.passed]


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root:
        checks = list(measured(Path(root)))
    document: dict[str, Any] = {
        "command": "python -m benchmarks.export_parity",
        "checks": [check.document() for check in checks],
    }
    RESULT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(table(checks))


if __name__ == "__main__":
    main()
