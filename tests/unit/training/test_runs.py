"""A run's files after a kill: what was measured before and after it is all there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from training.runs import Run


def begun(folder: Path, **changes: Any) -> Run:
    facts = {"config": {"lr": 1.0}, "seed": 0, "data": "d", "device": "cpu", "command": "train"}
    return Run.begin(folder, **{**facts, **changes})


def test_a_line_that_a_kill_cut_short_takes_none_of_the_next_ones_with_it(tmp_path: Path) -> None:
    run = begun(tmp_path)
    run.log(10, loss=2.0)
    whole = (tmp_path / "metrics.jsonl").read_text()
    (tmp_path / "metrics.jsonl").write_text(whole + '{"step": 20, "lo')
    again = begun(tmp_path)
    again.log(20, loss=1.5)
    again.log(30, loss=1.0)
    assert [(entry["step"], entry["loss"]) for entry in again.metrics()] == [(10, 2.0), (20, 1.5), (30, 1.0)]


def test_what_was_logged_again_after_a_kill_counts_once_and_as_it_was_at_last(tmp_path: Path) -> None:
    run = begun(tmp_path)
    for step, loss in ((10, 2.0), (20, 9.0), (20, 1.5)):
        run.log(step, loss=loss)
    assert [(entry["step"], entry["loss"]) for entry in run.metrics()] == [(10, 2.0), (20, 1.5)]


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"config": {"lr": 2.0}}, "config_hash"), ({"seed": 1}, "seed"), ({"data": "e"}, "data")],
)
def test_a_folder_of_another_run_is_refused(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    begun(tmp_path)
    with pytest.raises(ValueError, match=f"holds a run of another {what}: give another --out"):
        begun(tmp_path, **changes)
    assert begun(tmp_path, command="another", device="cuda").summary() is None
