"""The small model is trained, killed, resumed and opened as any checkpoint is."""

from __future__ import annotations

import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import engines.transformers
import export.commands
from engines.contract import Question
from grounding.evidence import Span
from training.runs import Run
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
batch = 2
steps = 6
text_len = 24
sigma = 0.0
"""


def run(config: Path, out: Path, *kill_after: str) -> int:
    program = ROOT / "tests" / "integration" / "training" / "small_process.py"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program), str(config), str(out), *kill_after],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def losses(out: Path) -> list[tuple[int, float, float]]:
    return [(m["step"], m["loss"], m["grad_norm"]) for m in Run(folder=out).metrics()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run that nothing happened to, and its config."""
    folder = tmp_path_factory.mktemp("small")
    config = folder / "stages.toml"
    config.write_text(CONFIG, encoding="utf-8")
    assert run(config, folder / "whole") == 0
    return config, folder / "whole"


@pytest.mark.parametrize("kill_after", ["6", "11"])
def test_a_killed_run_goes_on_with_the_same_losses_and_ends_with_the_same_weights(
    whole: tuple[Path, Path], tmp_path: Path, kill_after: str
) -> None:
    config, expected = whole
    assert run(config, tmp_path / "cut", kill_after) == -signal.SIGKILL
    assert not (tmp_path / "cut" / "model").exists()
    assert run(config, tmp_path / "cut") == 0
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
    assert (engine.spec.window_s, engine.spec.max_frames, engine.spec.max_side) == (12.0, 12, 128)
    assert reply.mean_logprob is not None and reply.text


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
