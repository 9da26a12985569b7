"""A run as one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.plots import curves, write_plots
from training.runs import Run

TEMPLATES = Path(__file__).parent / "templates"
REPORT, PLOTS = "report.html", "plots.png"
_TAIL = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric: its first and last value, and the mean of the last few."""

    name: str
    first: float
    last: float
    tail: float


def write_report(run: Run) -> Path:
    """Write plots.png and report.html into the run's folder. Raises ValueError where nothing was logged."""
    metrics = list(run.metrics())
    write_plots(metrics, run.folder / PLOTS)
    page = (
        environment()
        .get_template("report.html.jinja")
        .render(
            run=documents(run),
            plots=base64.b64encode((run.folder / PLOTS).read_bytes()).decode("ascii"),
            rows=rows(metrics),
            tail=_TAIL,
            settings=json.dumps(documents(run)["config"], indent=2),
        )
    )
    path = run.folder / REPORT
    path.write_text(page, encoding="utf-8")
    return path


def environment() -> Any:
    """The templates of this room; what is put into pages is escaped, into cards not."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def documents(run: Run) -> dict[str, Any]:
    """The run's own files: `facts`, `config` and `summary`."""
    names = {"facts": "run.json", "config": "config.json", "summary": "summary.json"}
    return {name: json.loads((run.folder / file).read_text(encoding="utf-8")) for name, file in names.items()}


def rows(metrics: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Every metric that was logged, by name."""
    found = []
    for name, points in sorted(curves(metrics, ("*",)).items()):
        values = [value for _, value in points]
        tail = values[-_TAIL:]
        if name != "step":
            found.append(Row(name=name, first=values[0], last=values[-1], tail=sum(tail) / len(tail)))
    return found
