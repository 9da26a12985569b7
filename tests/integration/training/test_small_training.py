"""The small model is trained, killed, resumed and opened as any checkpoint is."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from torch import Tensor
from typer.testing import CliRunner

import engines.transformers
import export.commands
from engines.contract import Question
from grounding.errors import TrainingError
from grounding.evidence import Span
from tests.integration.training import small_process
from tests.small_world import TOKENS, Renderer, Squares
from training.runs import Run
from training.small.config import load_table
from training.small.forward import StaticForward
from training.small.loop import train
from training.small.losses import CompletionLoss
from training.small.model import Cut, build
from training.small.source import AsTensors
from training.small.stages import Training
from video.frames import Clip

ROOT = Path(__file__).resolve().parents[3]
CONFIG = """
size = "tiny"
workers = 0
compile = "off"
log_every = 2
checkpoint_every = 4
ema_decay = 0.5
[[stages]]
name = "one"
mix = { where = 1.0 }
frames = 1
batch = 2
steps = 5
text_len = 24
sigma_end = 2.0
warmup_steps = 2
[[stages]]
name = "two"
mix = { where = 1.0 }
frames = 2
shown = [1, 2]
batch = 2
steps = 6
text_len = 24
sigma = 0.0
"""


SHORT = """
size = "tiny"
workers = 0
compile = "off"
[[stages]]
name = "short"
mix = { where = 1.0 }
frames = 2
shown = [1, 2]
batch = 3
steps = 1
text_len = 24
sigma = 0.0
"""


def killed(config: Path, out: Path, *, after: str) -> None:
    """A run in a process of its own, which dies when step `after` was logged."""
    program = ROOT / "tests" / "integration" / "training" / "small_process.py"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program), str(config), str(out), after],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def losses(out: Path) -> list[tuple[int, float, float]]:
    return [(m["step"], m["loss"], m["grad_norm"]) for m in Run(folder=out).metrics()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run that nothing happened to, and its config."""
    folder = tmp_path_factory.mktemp("small")
    config = folder / "stages.toml"
    config.write_text(CONFIG, encoding="utf-8")
    small_process.main(str(config), str(folder / "whole"))
    return config, folder / "whole"


@pytest.mark.parametrize("kill_after", ["8", pytest.param("11", marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_with_the_same_losses_and_ends_with_the_same_weights(
    whole: tuple[Path, Path], tmp_path: Path, kill_after: str
) -> None:
    config, expected = whole
    killed(config, tmp_path / "cut", after=kill_after)
    assert not (tmp_path / "cut" / "model").exists()
    small_process.main(str(config), str(tmp_path / "cut"))
    assert losses(tmp_path / "cut") == losses(expected)
    assert [step for step, *_ in losses(expected)] == [2, 4, 5, 6, 8, 10, 11]
    name = "model/model.safetensors"
    assert (tmp_path / "cut" / name).read_bytes() == (expected / name).read_bytes()


def test_the_saved_model_is_asked_like_any_checkpoint(whole: tuple[Path, Path]) -> None:
    engine = engines.transformers.load(str(whole[1] / "model"), device="cpu")
    images = np.full((3, 128, 128, 3), 60, np.uint8)
    images[:, 20:52, 70:102] = 240
    clip = Clip(
        path=Path("squares.mp4"),
        time_base=Fraction(1, 1000),
        window=Span(0.0, 3.0),
        images=images,
        pts=np.arange(3) * 1000,
        times_s=np.arange(3.0),
        durations_s=np.ones(3),
    )
    (reply,) = engine.answer(clip, [Question(text="Where is it?", task="visual QA")])
    cut, spec = Cut(), engine.spec
    assert (spec.window_s, spec.rate_hz) == (cut.window_s, cut.rate_hz)
    assert (spec.max_frames, spec.max_side) == (cut.max_frames, 128)
    assert reply.mean_logprob is not None and reply.text


@pytest.mark.slow
def test_the_saved_model_is_exported_and_says_what_its_checkpoint_says(
    whole: tuple[Path, Path], tmp_path: Path
) -> None:
    app = typer.Typer()
    export.commands.register(app)
    model, out = str(whole[1] / "model"), str(tmp_path / "onnx")
    made = CliRunner().invoke(app, ["export", "onnx", model, out, "--dtype", "fp32", "--max-length", "2304"])
    assert made.exit_code == 0, made.output
    checked = CliRunner().invoke(app, ["export", "check", out])
    assert checked.exit_code == 0, checked.output


def test_a_stage_of_short_clips_learns_from_the_words_behind_each_ones_own_frames(tmp_path: Path) -> None:
    begun(tmp_path, SHORT)
    batch = AsTensors(Squares(seed=0, batch=3, frames=2, text_len=24, shown=(1, 2)))[0]
    assert set(batch["frames"].tolist()) == {1, 2}
    forward = StaticForward(build("tiny", tokens=TOKENS, seed=0), frames=2, words=24)
    loss, _ = CompletionLoss(forward, first_number=TOKENS.first_number).compute(
        batch["ids"], batch["roles"], batch["kinds"], Renderer("cpu")(batch["scene"]), torch.tensor(0.0),
        batch["frames"],
    )  # fmt: skip
    ((_step, logged, _norm),) = losses(tmp_path / "run")
    assert logged == pytest.approx(loss.item(), rel=1e-5)


class OutOfMemory:
    """A renderer for which the device has no room."""

    def __call__(self, scene: Mapping[str, Tensor], /) -> Tensor:
        raise torch.OutOfMemoryError(f"no room for {len(scene['corner'])} clips")


def begun(folder: Path, text: str, **parts: Any) -> None:
    config = folder / "stages.toml"
    config.write_text(text, encoding="utf-8")
    train(
        load_table(config, Training),
        source=replace(small_process.source(), **parts),
        out=folder / "run",
        device=torch.device("cpu"),
        command="test",
        told=lambda _line: None,
    )


def test_a_batch_that_does_not_fit_is_told_at_the_first_step_with_what_to_lower(tmp_path: Path) -> None:
    said = "step 1: 2 clips of 1 frames do not fit into the memory of cpu: lower batch of stage 'one'"
    with pytest.raises(TrainingError, match=said):
        begun(tmp_path, CONFIG, renderer=lambda _device: OutOfMemory())


def test_a_loss_that_is_no_number_ends_the_run_and_never_becomes_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="the loss at step 2 is no number: lower lr of stage 'one'"):
        begun(tmp_path, CONFIG.replace("warmup_steps = 2", "lr = 1e30"))
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_run_goes_on_with_fewer_workers_and_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    begun(tmp_path, CONFIG)
    summary = (tmp_path / "run" / "summary.json").read_text()
    begun(tmp_path, CONFIG.replace("workers = 0", "workers = 1"))  # which is over, and stays as it is
    assert (tmp_path / "run" / "summary.json").read_text() == summary
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"half a file")
    with pytest.raises(TrainingError, match=r"checkpoint\.pt can't be read .* remove it to begin anew"):
        begun(tmp_path, CONFIG)
