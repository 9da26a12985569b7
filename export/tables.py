"""A parity check as a person reads it."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from engines.parity import Finding, Measure, Parity

_WIDTH_IN_A_PIPE = 160


def print_parity(parity: Parity, *, console: Console | None = None) -> None:
    """Print what was measured, and what follows."""
    out = console or _console()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("point", "what", "case", "measure", "found", "bound", "", "note"):
        table.add_column(name, justify="right" if name in ("point", "found", "bound") else "left")
    for finding in sorted(parity.findings, key=lambda finding: finding.point):
        table.add_row(*(Text(cell) for cell in cells(finding)))
    out.print(table)
    verdict = "says what its checkpoint says" if parity.passed else "does NOT say what its checkpoint says"
    out.print(Text(f"{parity.family} in {parity.dtype}, {parity.runtime}: {verdict}."), soft_wrap=True)


def cells(finding: Finding) -> list[str]:
    """One row of the table: as the docs show it too."""
    verdict = {True: "good", False: "RED", None: "told"}[finding.passed]
    return [
        str(finding.point),
        finding.what,
        finding.case,
        finding.measure,
        _number(finding.value, finding.measure),
        "" if finding.bound is None else _number(finding.bound, finding.measure),
        verdict,
        finding.note,
    ]


def _number(value: float, measure: Measure) -> str:
    return {"tokens alike": f"{value:.0f}", "count": f"{value:.0f}", "largest error": f"{value:.1e}"}.get(
        measure, f"{value:.5f}"
    )


def _console() -> Console:
    # In a pipe there is no width to fit into.
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH_IN_A_PIPE)
