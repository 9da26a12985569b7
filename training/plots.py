"""A run's metrics as curves, in one PNG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

PANELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("loss", ("loss",)),
    ("reward", ("reward",)),
    ("reward by component", ("reward_*",)),
    ("groups without variance", ("zero_variance_share",)),
    ("clipped", ("clip_fraction", "clip_low", "clip_high")),
    ("KL a token", ("kl", "kl_from_rollout")),
    ("tokens an answer", ("length_min", "length", "length_max")),
    ("answers cut off", ("cut_off_share",)),
    ("entropy", ("entropy",)),
    ("gradient norm", ("grad_norm",)),
    ("learning rate", ("lr",)),
    ("tokens a second", ("tokens_per_s",)),
)
"""Titles with the metrics drawn under them; a panel of which nothing was logged is left out."""

_NOT_COMPONENTS = ("reward_std",)
_SMOOTHED_OVER = 20


def write_plots(metrics: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw every panel that has something in it. Raises ValueError where nothing was logged."""
    panels = [(title, lines) for title, names in PANELS if (lines := curves(metrics, names))]
    if not panels:
        raise ValueError("no step was logged; there is nothing to plot")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(5.2 * columns, 3.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for place, (title, lines) in enumerate(panels, start=1):
        _draw(figure.add_subplot(rows, columns, place), title, lines)
    figure.savefig(path, dpi=110)


def curves(metrics: Iterable[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
    """The points (step, value) of each metric that was logged; `x_*` stands for all that begin so."""
    found: dict[str, list[tuple[int, float]]] = {}
    for entry in metrics:
        for name, value in entry.items():
            if isinstance(value, int | float) and _wanted(name, names) and math.isfinite(value):
                found.setdefault(name, []).append((entry["step"], float(value)))
    return found


def smoothed(values: Sequence[float], *, over: int = _SMOOTHED_OVER) -> list[float]:
    """The running mean of the last `over` values."""
    return [
        sum(part) / len(part) for k in range(len(values)) if (part := values[max(0, k + 1 - over) : k + 1])
    ]


def _wanted(name: str, names: Sequence[str]) -> bool:
    if name in names or "*" in names:
        return True
    stems = [n[:-1] for n in names if n.endswith("*")]
    return any(name.startswith(stem) for stem in stems) and name not in _NOT_COMPONENTS


def _draw(axes: Any, title: str, lines: Mapping[str, Sequence[tuple[int, float]]]) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    for name, points in lines.items():
        steps, values = [step for step, _ in points], [value for _, value in points]
        (faint,) = axes.plot(
            steps, values, linewidth=0.8, alpha=0.35, marker="." if len(points) < 3 else None
        )
        axes.plot(steps, smoothed(values), color=faint.get_color(), linewidth=1.4, label=name)
    if len(lines) > 1:
        axes.legend(fontsize=7)
