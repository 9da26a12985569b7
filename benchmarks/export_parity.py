"""How close exports come to their checkpoints: `export onnx` and `export check`, on tiny random ones.

    python -m benchmarks.export_parity                    on a CPU: fp32, fp16, int8; read by TensorRT-RTX
    python -m benchmarks.export_parity --provider cuda    by onnxruntime on a GPU, bf16 too

Both families. Writes benchmarks/results/export-parity[-cuda].json, and prints the table of docs/export.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from engines.manifest import ExportType
from engines.onnx import Provider
from engines.parity import Finding, Parity
from export.checking import check_export
from export.onnx import export_checkpoint
from export.reading import read_by_tensorrt
from tests import tiny_qwen

FAMILIES = ("qwen2_5_vl", "qwen3_vl")
DTYPES: dict[Provider, tuple[ExportType, ...]] = {
    "cpu": ("fp32", "fp16", "int8"),
    "cuda": ("fp32", "fp16", "bf16", "int8"),
}
RESULTS = Path(__file__).parent / "results"


def measured(root: Path, provider: Provider) -> Iterator[Parity]:
    """Every export, checked."""
    for family in FAMILIES:
        checkpoint = tiny_qwen.save_checkpoint(root / family, family)
        for dtype in DTYPES[provider]:
            out = root / f"{family}-{dtype}"
            export_checkpoint(str(checkpoint), out, dtype=dtype, max_length=4096)
            yield check_export(out, provider=provider, inspections=[read_by_tensorrt])


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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--provider", choices=sorted(DTYPES), default="cpu")
    provider: Provider = parser.parse_args().provider
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as root:
        checks = list(measured(Path(root), provider))
    suffix = "" if provider == "cpu" else f"-{provider}"
    document: dict[str, Any] = {
        "command": "python -m benchmarks.export_parity" + (f" --provider {provider}" if suffix else ""),
        "machine": torch.cuda.get_device_name() if provider == "cuda" else "CPU, one thread",
        "checks": [check.document() for check in checks],
    }
    path = RESULTS / f"export-parity{suffix}.json"
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(table(checks))


if __name__ == "__main__":
    main()
