"""A run's curves and its report."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from training.plots import curves, smoothed
from training.recorder import measured
from training.report import rows, write_report
from training.runs import Run


def run_of(folder: Path, *, command: str = "proofreel train sft") -> Run:
    config = {"stage": "sft", "model": {"checkpoint": "a/b"}}
    run = Run.begin(folder, config=config, seed=0, data="d" * 64, device="cpu", command=command)
    for step in range(1, 5):
        run.log(step, loss=4.0 / step, reward_time=None if step < 3 else 0.5)
    run.finish({"steps": 4, "epochs": 1.0})
    return run


def test_the_report_is_whole_and_what_was_typed_is_shown_and_not_run(tmp_path: Path) -> None:
    run = run_of(tmp_path, command="proofreel train sft --out '<script>alert(1)</script>'")
    page = write_report(run).read_text()
    assert "&lt;script&gt;alert(1)" in page and "<script" not in page
    assert page.count("data:image/png;base64,") == 1
    assert '<tr><td>loss<td class="n">4<td class="n">1<td class="n">2.083' in page
    assert "reward_std" not in page


def test_a_run_of_which_nothing_was_logged_has_no_report(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(ValueError, match="no step was logged"):
        write_report(run)


def test_curves_hold_the_points_that_were_measured_and_no_others() -> None:
    entries: list[dict[str, Any]] = [
        {"step": 1, "loss": 2.0, "reward_time": None, "reward_std": 0.1, "note": "x"},
        {"step": 2, "loss": math.nan, "reward_time": 0.5},
    ]
    assert curves(entries, ("loss", "reward_*")) == {"loss": [(1, 2.0)], "reward_time": [(2, 0.5)]}
    assert smoothed([1.0, 3.0, 5.0], over=2) == [1.0, 2.0, 4.0]
    assert [row.name for row in rows(entries)] == ["loss", "reward_std", "reward_time"]


def test_the_trainers_names_become_ours() -> None:
    theirs = {
        "loss": 1.0, "learning_rate": 1e-6, "clip_ratio/region_mean": 0.2, "completions/clipped_ratio": 0.1,
        "rewards/answer_time/mean": 0.3, "rewards/answer_time/std": 9.0, "step_time": 9.0,
    }  # fmt: skip
    assert measured(theirs) == {
        "loss": 1.0, "lr": 1e-6, "clip_fraction": 0.2, "cut_off_share": 0.1, "reward_answer_time": 0.3,
    }  # fmt: skip
