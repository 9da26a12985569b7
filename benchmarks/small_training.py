"""How fast the small model was trained: from the folder of a run of `proofreel train small`.

    python benchmarks/small_training.py RUN

By stage: clips a second (median, least, most of the logged windows), what share of the time the GPU was
within a step, FLOP utilisation, and the parts of a step. Writes benchmarks/results/small-training.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from training.runs import Run  # noqa: E402
from training.small.pace import PARTS  # noqa: E402

SHARES = ("busy_share", "data_wait_share", *(f"{part}_share" for part in PARTS))


def by_stage(folder: Path) -> dict[str, Any]:
    """What each stage's windows say."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    rows = [row for row in Run(folder=folder).metrics() if "clips_per_s" in row]
    found: dict[str, Any] = {}
    start = 0
    for stage in config["stages"]:
        stop = start + stage["steps"]
        windows = [row for row in rows if start < row["step"] <= stop]
        found[stage["name"]] = {
            "clips": stage["steps"] * stage["batch"],
            "frames": stage["frames"],
            "batch": stage["batch"],
            "windows": len(windows),
            **summary(windows),
        }
        start = stop
    return found


def summary(windows: list[dict[str, Any]]) -> dict[str, Any]:
    rates = [row["clips_per_s"] for row in windows]
    shares = {name: round(statistics.median(row[name] for row in windows), 4) for name in SHARES}
    used = [row["mfu"] for row in windows if "mfu" in row]
    return {
        "clips_per_s": round(statistics.median(rates)),
        "least": round(min(rates)),
        "most": round(max(rates)),
        "mfu": round(statistics.median(used), 3) if used else None,
        **shares,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    folder = parser.parse_args().run
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    whole = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    document = {
        **{name: run[name] for name in ("command", "commit", "device", "versions", "seed")},
        "clips": whole["clips"],
        "training_s": whole["training_s"],
        "stages": by_stage(folder),
    }
    path = ROOT / "benchmarks" / "results" / "small-training.json"
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(document["stages"], indent=2))


if __name__ == "__main__":
    main()
