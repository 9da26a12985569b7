"""A check as it is read: what was found, what was allowed, and what follows."""

import io

from rich.console import Console

from engines.parity import Finding, Parity
from export.tables import print_parity


def printed(*findings: Finding) -> str:
    out = io.StringIO()
    parity = Parity(
        identity="a" * 64,
        family="qwen3_vl",
        dtype="int8",
        runtime="onnx on cpu",
        versions={},
        findings=findings,
    )
    print_parity(parity, console=Console(file=out, width=160))
    return out.getvalue()


def finding(value: float, bound: float | None, *, passed: bool | None, note: str = "") -> Finding:
    return Finding(
        point=3, what="logits", case="[red]text[/red]", measure="mean cosine", value=value, bound=bound,
        passed=passed, note=note,
    )  # fmt: skip


def test_a_good_check_shows_each_measure_beside_its_bound() -> None:
    text = printed(
        finding(0.99846, 0.99, passed=True), finding(5, None, passed=None, note="best two are 0.01")
    )
    assert "0.99846  0.99000  good" in text and "told  best two are 0.01" in text
    assert "[red]text[/red]" in text  # names are never markup
    assert "qwen3_vl in int8, onnx on cpu: says what its checkpoint says." in text


def test_a_red_one_says_so_in_its_row_and_at_the_end() -> None:
    text = printed(finding(0.95, 0.99, passed=False), finding(0.999, 0.99, passed=True))
    assert "0.95000  0.99000  RED" in text
    assert "does NOT say what its checkpoint says" in text
