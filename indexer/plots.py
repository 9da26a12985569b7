"""Small plots as SVG text that a page holds within itself: nothing is loaded, no script is needed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABEL_CHARS = 48
_COLOUR = "#2f6f9f"
_WIDTH_IN = 8.5
_ROW_IN = 0.32
_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "proofreel", "font.size": 9}
"""Text stays text, and the same report gives the same page."""


def bars(title: str, values: Sequence[tuple[str, float]], *, unit: str) -> str:
    """A bar a value, the first on top, with its number. `values` are (label, value)."""
    import matplotlib

    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _axes(title, height_in=0.9 + _ROW_IN * len(values))
        drawn = axes.barh(range(len(values)), [value for _, value in values], color=_COLOUR)
        axes.bar_label(drawn, [f"{value:,.1f}".removesuffix(".0") for _, value in values], padding=3)
        axes.set_yticks(range(len(values)), [_cut(label) for label, _ in values], parse_math=False)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_xlabel(unit)
        return _svg(figure)


def columns(title: str, values: Sequence[tuple[str, float]], *, unit: str) -> str:
    """A column a value, from left to right: for what goes on in time."""
    import matplotlib

    with matplotlib.rc_context(_SETTINGS):
        figure, axes = _axes(title, height_in=2.6)
        axes.bar(range(len(values)), [value for _, value in values], color=_COLOUR)
        step = -(-len(values) // 24)
        axes.set_xticks(range(0, len(values), step), [label for label, _ in values[::step]], parse_math=False)
        axes.set_ylabel(unit)
        return _svg(figure)


def _axes(title: str, *, height_in: float) -> tuple[Figure, Axes]:
    # No pyplot: it would choose a window system, and keep every figure.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_IN, height_in), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _cut(label: str) -> str:
    return label if len(label) <= LABEL_CHARS else label[: LABEL_CHARS - 1] + "…"
