"""A run's folder: what is another run, and what a kill leaves of the metrics."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from training.runs import Run, command_line

CONFIG = {"batch": 2, "stages": [{"name": "see", "mix": {"where": 1.0}}]}


def begun(folder: Path, config: dict[str, Any] = CONFIG, *, seed: int = 0) -> Run:
    return Run.begin(folder, config=config, seed=seed, data="x", device="cpu", command="test")


def test_a_folder_in_which_nothing_was_trained_is_free_for_the_corrected_config(tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    begun(tmp_path, {**CONFIG, "batch": 3})
    assert '"batch": 3' in (tmp_path / "config.json").read_text()


def test_what_another_run_has_otherwise_is_named(tmp_path: Path) -> None:
    begun(tmp_path).log(1, loss=1.0)
    other = {"batch": 2, "stages": [{"name": "see", "mix": {"where": 2.0}}]}
    with pytest.raises(
        ValueError, match=r"another config_hash and seed: .*stages\.0\.mix\.where is 1\.0 there, 2"
    ):
        begun(tmp_path, other, seed=1)


def test_a_damaged_run_file_is_named(tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json is damaged .*give another --out"):
        begun(tmp_path)


def test_the_command_of_a_run_can_be_given_to_a_shell_again(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["proofreel", "train", "sft", "--data-root", "my films"]
    monkeypatch.setattr("sys.argv", typed)
    assert shlex.split(command_line()) == typed


def run_of(folder: Path, **changes: Any) -> Run:
    facts = {"config": {"lr": 1.0}, "seed": 0, "data": "d", "device": "cpu", "command": "train"}
    return Run.begin(folder, **{**facts, **changes})


def test_a_line_that_a_kill_cut_short_takes_none_of_the_next_ones_with_it(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    run.log(10, loss=2.0)
    whole = (tmp_path / "metrics.jsonl").read_text()
    (tmp_path / "metrics.jsonl").write_text(whole + '{"step": 20, "lo')
    again = run_of(tmp_path)
    again.log(20, loss=1.5)
    again.log(30, loss=1.0)
    assert [(entry["step"], entry["loss"]) for entry in again.metrics()] == [(10, 2.0), (20, 1.5), (30, 1.0)]


def test_what_was_logged_again_after_a_kill_counts_once_and_as_it_was_at_last(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    for step, loss in ((10, 2.0), (20, 9.0), (20, 1.5)):
        run.log(step, loss=loss)
    assert [(entry["step"], entry["loss"]) for entry in run.metrics()] == [(10, 2.0), (20, 1.5)]


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"config": {"lr": 2.0}}, "config_hash"), ({"seed": 1}, "seed"), ({"data": "e"}, "data")],
)
def test_a_folder_of_another_run_is_refused(tmp_path: Path, changes: dict[str, Any], what: str) -> None:
    run_of(tmp_path).log(1, loss=1.0)
    with pytest.raises(ValueError, match=f"holds a run of another {what}: give another --out"):
        run_of(tmp_path, **changes)
    assert run_of(tmp_path, command="another", device="cuda").summary() is None
