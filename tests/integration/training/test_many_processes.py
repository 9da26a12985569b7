"""Two processes that train together, as several GPUs do."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from engines.transformers import load
from proofreel.cli import app
from tests import stgr
from tests.schooling import save_torn, table, write_recipe
from training.recipe import STAGES, Stage
from training.runs import Run

# `accelerate launch` starts several processes for GPUs alone; where there is none, they meet on the CPU.
TWO = """\
compute_environment: LOCAL_MACHINE
distributed_type: MULTI_GPU
num_machines: 1
num_processes: 2
machine_rank: 0
"""


def test_a_recipe_for_several_gpus_is_not_run_by_one_process(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(TWO)
    launch = {"gpus": 2, "accelerate": "two.yaml"}
    config = write_recipe(tmp_path / "r.toml", table(Path("x"), "qwen3_vl", launch=launch))
    asked = ["--out", str(tmp_path / "my run"), "--data-root", str(tmp_path), "--seed", "0", "--skip-missing"]
    result = CliRunner().invoke(app, ["train", "sft", "--config", str(config), *asked])
    assert isinstance(result.exception, ValueError)
    started, command = str(result.exception).split(": start it by `")
    assert started.endswith("for 2 GPUs, and 1 process was started")
    words = shlex.split(command.split("`")[0])
    launch = ["accelerate", "launch", "--config_file", str(tmp_path / "two.yaml"), "-m"]
    assert words[:10] == [*launch, "proofreel", "train", "sft", "--config", str(config)]
    # Nothing of what was asked for is lost, a seed of 0 included.
    rest = words[10:]
    assert sorted(rest) == sorted(asked)
    assert rest[rest.index("--out") + 1] == str(tmp_path / "my run") and rest[rest.index("--seed") + 1] == "0"


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_two_processes_train_one_model(stage: Stage, tmp_path: Path) -> None:
    root = stgr.make_root(tmp_path / "root")
    checkpoint = save_torn(tmp_path / "ck", "qwen3_vl")
    (tmp_path / "two.yaml").write_text(TWO)
    own = {"batch": 1, "steps": 4, "save_every": 4}
    parts = {stage: own, "launch": {"gpus": 2, "accelerate": "two.yaml"}}
    config = write_recipe(tmp_path / "r.toml", table(checkpoint, "qwen3_vl", **parts))
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--config_file", tmp_path / "two.yaml", "-m",
        "proofreel", "train", stage, "--config", config, "--data-root", root, "--out", tmp_path / "run",
        "--json",
    ]  # fmt: skip
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=one_thread, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.count("proofreel.train/1") == 1  # one of them speaks
    entries = list(Run(folder=tmp_path / "run").metrics())
    assert [entry["step"] for entry in entries] == [1, 2, 3, 4]
    assert '"device": "2 x cpu"' in (tmp_path / "run/run.json").read_text()
    assert len(list((tmp_path / "run/checkpoints/checkpoint-4").glob("rng_state_*.pth"))) == 2
    load(str(tmp_path / "run/model"), device="cpu")
