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


def test_a_line_that_a_kill_cut_short_does_not_take_the_next_one_with_it(tmp_path: Path) -> None:
    begun(tmp_path).log(1, loss=1.0)
    with open(tmp_path / "metrics.jsonl", "a") as stream:
        stream.write('{"step": 2, "lo')
    begun(tmp_path).log(2, loss=0.5)
    assert [entry["loss"] for entry in begun(tmp_path).metrics()] == [1.0, 0.5]


def test_a_damaged_run_file_is_named(tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json is damaged .*give another --out"):
        begun(tmp_path)


def test_the_command_of_a_run_can_be_given_to_a_shell_again(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["proofreel", "train", "sft", "--data-root", "my films"]
    monkeypatch.setattr("sys.argv", typed)
    assert shlex.split(command_line()) == typed
