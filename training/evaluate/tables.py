"""A report as a person reads it: the measures with their intervals, and the kinds of question apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from grounding.errors import printable
from grounding.plain import counted, plain
from training.evaluate.bootstrap import Interval
from training.evaluate.document import Report

WORDS = {
    "acc": "Acc",
    "tiou": "m_tIoU",
    "viou": "m_vIoU",
    "am": "AM",
    "lgm": "LGM",
    "mam": "mAM",
    "mlgm": "mLGM",
    "joint": "joint",
    "chain_acc": "Acc of the chains",
    "chain_tiou_1": "tIoU, what-when-where",
    "chain_viou_1": "vIoU, what-when-where",
    "chain_viou_2": "vIoU, what-where-when",
    "chain_tiou_2": "tIoU, what-where-when",
    "evidence_precision": "evidence precision",
    "evidence_recall": "evidence recall",
    "evidence_f1": "evidence F1",
    "late_claims": "claims late by over 1 s",
    "claims_per_answer": "claims an answer",
    "abstention_precision": "abstention precision",
    "abstention_recall": "abstention recall",
    "parse_rate": "parse rate",
}
OF_KINDS = ("acc", "tiou", "viou", "evidence_f1", "parse_rate")
_WIDTH_IN_A_PIPE = 160


def print_report(report: Report, *, console: Console | None = None) -> None:
    """Print what was measured."""
    out = console or _console()
    out.print(Text(_title(report)), soft_wrap=True)
    out.print(_measures(report))
    out.print(_kinds(report.summary.kinds, title="by kind"))
    if report.difference is not None:
        against = printable(report.against or "")
        out.print(Text(f"against {against}: this run minus that one, paired"), soft_wrap=True)
        out.print(_kinds(report.difference.kinds, title="by kind, differences"))
    if report.out is not None:
        out.print(Text(f"records: {printable(report.out)}"), soft_wrap=True)


def _title(report: Report) -> str:
    request = report.request
    how = "" if request.control is None else f", control {request.control}"
    masked = "" if report.masked is None else f" (painted over in {report.masked:.0%} of the questions)"
    return (
        f"{report.suite} {request.level} {request.split}, seed {request.seed}{how}{masked}: "
        f"{counted(report.items, 'question')} about {counted(report.clips, 'clip')}, "
        f"{plain(report.engine)} {report.fingerprint[:12]}"
    )


def _measures(report: Report) -> Table:
    table = _table("measure", "", "95 %")
    difference = report.difference
    if difference is not None:
        table.add_column("difference", justify="right")
        table.add_column("95 %", justify="right")
    for name, words in WORDS.items():
        row = [words, _number(report.summary.metrics[name]), _range(report.summary.intervals[name])]
        if difference is not None:
            row += [_number(difference.metrics[name], signed=True), _range(difference.intervals[name])]
        table.add_row(*(Text(cell) for cell in row))
    return table


def _kinds(kinds: Mapping[str, Mapping[str, Any]], *, title: str) -> Table:
    table = _table(title, "n", *(WORDS[name] for name in OF_KINDS))
    signed = "differences" in title
    for kind, found in sorted(kinds.items()):
        values = [_number(found["metrics"].get(name), signed=signed) for name in OF_KINDS]
        table.add_row(*(Text(cell) for cell in (kind, str(found["n"]), *values)))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _number(value: float | None, *, signed: bool = False) -> str:
    return "-" if value is None else f"{value:{'+' if signed else ''}.3f}"


def _range(interval: Interval | None) -> str:
    return "" if interval is None else f"{interval[0]:.3f} .. {interval[1]:.3f}"


def _console() -> Console:
    # In a pipe there is no width to fit into.
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH_IN_A_PIPE)
