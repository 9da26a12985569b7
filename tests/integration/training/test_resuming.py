"""A run that is killed goes on, and comes out as if it had never been."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import stgr, tiny_qwen
from tests.schooling import Shot, Shots, recipe, save_torn, table, teacher, write_recipe
from training.preparing import Prepared
from training.recipe import Recipe, Stage
from training.runs import Run
from training.stage import run_stage
from training.student import open_student
from training.trainers import last_checkpoint

COMPARED = ("loss", "grad_norm", "entropy", "reward", "length", "token_accuracy", "clip_fraction", "lr")


class Stalling(Shots):
    """Items of which no more than so many can be read: a process that waits there can be killed in peace."""

    readable: int = 10_000

    def read(self, place: int, /) -> Shot:
        if len(self.read_places) >= self.readable:
            time.sleep(600)
        return super().read(place)


def prepared(own: Recipe, *, readable: int = 10_000) -> Prepared:
    checkpoint = open_student(own.model)
    items = Stalling([Shot(number=k, right="CCDCCC"[k]) for k in range(6 if own.gspo is None else 3)])
    items.readable = readable
    return Prepared(
        checkpoint=checkpoint,
        teacher=teacher(checkpoint.path, own),
        items=items,
        fingerprint="0" * 64,
        sources={"proofworld": len(items)},
    )


def run(stage: Stage, own: Recipe, out: Path, readable: int = 10_000) -> None:
    run_stage(stage, own, prepared(own, readable=readable), out=out, told=lambda _: None)


def killed_at(step: int, *, stage: Stage, own: Recipe, out: Path) -> None:
    """Run in a process of its own, and kill it as no process can prevent, once `step` was logged."""
    rows_a_step = 2 if stage == "sft" else 1
    readable = (step + 2) * rows_a_step + 1  # two steps more are fetched ahead, and one row at the start
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=run, args=(stage, own, out, readable), daemon=True)
    process.start()
    deadline = time.monotonic() + 60
    while not any(entry["step"] >= step for entry in Run(folder=out).metrics()):
        assert process.is_alive() and time.monotonic() < deadline
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL


def curve(out: Path) -> list[dict[str, Any]]:
    return [{name: e[name] for name in ("step", *COMPARED) if name in e} for e in Run(folder=out).metrics()]


def lora_recipe(folder: Path, **own: Any) -> Recipe:
    checkpoint = tiny_qwen.save_checkpoint(folder / "ck", "qwen3_vl")
    # Dropout draws numbers at every step: a state that isn't restored shows.
    lora = {"tuning": "lora", "lora": {"rank": 4, "dropout": 0.2}}
    sft = {"steps": 7, "save_every": 4, "learning_rate": 1e-2, **own}
    whole = table(checkpoint, "qwen3_vl", model=lora, sft=sft)
    del whole["gspo"]
    return Recipe.model_validate(whole)


def full_recipe(folder: Path) -> Recipe:
    checkpoint = tiny_qwen.save_checkpoint(folder / "ck", "qwen2_5_vl")
    whole = table(checkpoint, "qwen2_5_vl", sft={"steps": 7, "save_every": 4})
    del whole["gspo"]
    return Recipe.model_validate(whole)


def gspo_recipe(folder: Path) -> Recipe:
    rollout = {"num_generations": 4, "max_completion_length": 4}
    own = {"steps": 11, "save_every": 4, "steps_per_generation": 2, "learning_rate": 2e-4, "rollout": rollout}
    return recipe(save_torn(folder / "ck", "qwen3_vl"), "qwen3_vl", gspo=own)


@pytest.mark.parametrize(
    # Each goes on in the middle of its second epoch.
    ("stage", "made", "at"),
    [("sft", lora_recipe, 5), ("sft", full_recipe, 5), ("gspo", gspo_recipe, 9)],
)
def test_after_kill_9_the_curve_is_that_of_a_run_that_was_not_killed(
    stage: Stage, made: Callable[[Path], Recipe], at: int, tmp_path: Path
) -> None:
    own = made(tmp_path)
    run(stage, own, tmp_path / "whole")
    killed_at(at, stage=stage, own=own, out=tmp_path / "cut")
    assert not (tmp_path / "cut/summary.json").exists()
    run(stage, own, tmp_path / "cut")
    whole, cut = curve(tmp_path / "whole"), curve(tmp_path / "cut")
    assert [entry["step"] for entry in cut] == [entry["step"] for entry in whole] and len(whole) >= 7
    for expected, found in zip(whole, cut, strict=True):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert any(entry.get("grad_norm") for entry in whole)


def test_a_checkpoint_that_the_kill_cut_off_is_passed_over(tmp_path: Path) -> None:
    own = lora_recipe(tmp_path, save_every=1, steps=5)
    killed_at(3, stage="sft", own=own, out=tmp_path / "cut")
    folder = tmp_path / "cut/checkpoints"
    newest = last_checkpoint(folder)
    assert newest is not None and newest.name in ("checkpoint-2", "checkpoint-3")
    (newest / "trainer_state.json").write_text('{"global_')
    older = last_checkpoint(folder)
    assert older is not None and older.name < newest.name
    run("sft", own, tmp_path / "cut")
    assert json.loads((tmp_path / "cut/summary.json").read_text())["steps"] == 5


def test_a_run_that_is_over_is_not_run_again(tmp_path: Path) -> None:
    own = lora_recipe(tmp_path, steps=1)
    run("sft", own, tmp_path / "whole")
    before = (tmp_path / "whole/metrics.jsonl").read_bytes()
    run("sft", own, tmp_path / "whole")
    assert (tmp_path / "whole/metrics.jsonl").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["sft", "gspo"])
def test_the_command_itself_goes_on_after_kill_9(stage: Stage, tmp_path: Path) -> None:
    root = stgr.make_root(tmp_path / "root")
    checkpoint = save_torn(tmp_path / "ck", "qwen2_5_vl")
    own = {"steps": 40, "save_every": 4, "learning_rate": 1e-4, "workers": 1}
    config = write_recipe(tmp_path / "tiny.toml", table(checkpoint, "qwen2_5_vl", **{stage: own}))
    command = [
        sys.executable,
        "-m",
        "proofreel",
        "train",
        stage,
        "--config",
        config,
        "--data-root",
        root,
        "--out",
    ]
    subprocess.run([*command, tmp_path / "whole"], check=True)
    process = subprocess.Popen([*command, tmp_path / "cut"], start_new_session=True)
    while not any(entry["step"] >= 10 for entry in Run(folder=tmp_path / "cut").metrics()):
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run([*command, tmp_path / "cut"], check=True)
    whole, cut = curve(tmp_path / "whole"), curve(tmp_path / "cut")
    assert len(whole) == 40
    for expected, found in zip(whole, cut, strict=True):
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-6)
