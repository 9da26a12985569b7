"""`proofreel train sft` and `gspo` from STGR files to a checkpoint that an engine opens."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner, Result

from engines.contract import Question
from engines.transformers import load
from grounding.evidence import Span
from proofreel.cli import app
from tests import stgr, tiny_qwen
from tests.schooling import table, write_recipe
from training.owning import LOCK
from training.runs import Run
from video import open_video

RUN_FILES = {"run.json", "config.json", "metrics.jsonl", "summary.json", "plots.png", "report.html"}


def train(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def trained(*arguments: object) -> dict[str, Any]:
    result = train(*arguments, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    document: dict[str, Any] = json.loads(result.stdout)
    name = document["schema"].removeprefix("proofreel.").replace("/", "-")
    jsonschema.validate(document, json.loads((files("training") / f"schemas/{name}.schema.json").read_text()))
    return document


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stgr.make_root(tmp_path_factory.mktemp("stgr"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen.save_checkpoint(tmp_path_factory.mktemp("ck"), "qwen3_vl")


@pytest.fixture
def config(checkpoint: Path, tmp_path: Path) -> Callable[..., Path]:
    def written(**parts: Any) -> Path:
        return write_recipe(tmp_path / "tiny.toml", table(checkpoint, "qwen3_vl", **parts))

    return written


@pytest.fixture(scope="module")
def taught(
    root: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """A run of SFT over every source, and its summary."""
    folder = tmp_path_factory.mktemp("sft")
    recipe = write_recipe(
        folder / "tiny.toml", table(checkpoint, "qwen3_vl", sft={"steps": 4, "save_every": 2, "workers": 2})
    )
    out = folder / "run"
    return out, trained("sft", "--config", recipe, "--data-root", root, "--out", out)


def test_sft_leaves_a_checkpoint_that_answers_in_the_layout_it_was_taught(
    taught: tuple[Path, dict[str, Any]], root: Path
) -> None:
    out, summary = taught
    assert (summary["stage"], summary["steps"]) == ("sft", 4)
    engine = load(summary["model"], device="cpu")
    assert engine._layout.name == "open-o3"
    assert (engine.settings.max_frames, engine.settings.most_pixels) == (3, 3600)
    with open_video(root / "videos/videor1/videor1_mcq.mp4") as source:
        window = Span(source.info.start_s, source.info.end_s)
        clip = source.clip(window, times_s=[0.0, 1.0], max_side=160)
    (reply,) = engine.answer(clip, [Question(text="What?", task="General video QA MCQ")])
    assert isinstance(reply.text, str)
    assert {path.name for path in out.iterdir()} == {*RUN_FILES, LOCK, "model", "checkpoints"}


def test_the_run_holds_its_settings_its_data_and_what_was_measured(
    taught: tuple[Path, dict[str, Any]],
) -> None:
    out, _ = taught
    facts = json.loads((out / "run.json").read_text())
    assert re.fullmatch("[0-9a-f]{64}", facts["config_hash"]) and re.fullmatch("[0-9a-f]{64}", facts["data"])
    assert {"trl", "torch", "transformers"} <= set(facts["versions"])
    assert json.loads((out / "config.json").read_text())["sft"]["steps"] == 4
    entries = list(Run(folder=out).metrics())
    assert [entry["step"] for entry in entries] == [1, 2, 3, 4]
    measured = {"loss", "grad_norm", "lr", "token_accuracy", "entropy", "examples_per_s", "tokens_per_s"}
    assert measured <= set(entries[-1])
    assert len(list((out / "checkpoints").glob("checkpoint-*"))) == 2


def test_the_report_needs_nothing_beside_it_and_the_card_names_data_and_base(
    taught: tuple[Path, dict[str, Any]], checkpoint: Path
) -> None:
    out, _ = taught
    page = (out / "report.html").read_text()
    assert "data:image/png;base64," in page and not re.search(r'(src|href)="(?!data:)', page)
    assert "<td>loss" in page
    assert (out / "plots.png").read_bytes().startswith(b"\x89PNG")
    card = (out / "model/README.md").read_text()
    facts = json.loads((out / "run.json").read_text())
    for said in (str(checkpoint), facts["config_hash"], "| TreeVGR | 1 | annotations: Apache-2.0", "open-o3"):
        assert said in card
    assert "| STR_coin | 1 | not known to us: ask its owner |" in card


def test_gspo_goes_on_from_what_sft_left(
    taught: tuple[Path, dict[str, Any]], root: Path, config: Callable[..., Path], tmp_path: Path
) -> None:
    _, before = taught
    out = tmp_path / "run"
    summary = trained(
        "gspo", "--config", config(), "--data-root", root, "--model", before["model"], "--out", out,
        "--rewards", "open-o3",
    )  # fmt: skip
    assert summary["steps"] == 4
    entries = list(Run(folder=out).metrics())
    assert {
        "reward",
        "reward_format",
        "zero_variance_share",
        "clip_fraction",
        "length",
        "kl_from_rollout",
    } <= set(entries[0])
    assert json.loads((out / "config.json").read_text())["gspo"]["rewards"]["set"] == "open-o3"
    load(summary["model"], device="cpu")
    assert f"from `{before['model']}`" in (out / "model/README.md").read_text()
    assert "reward by component" not in (out / "report.html").read_text()  # it is in the picture
    assert "reward_format" in (out / "report.html").read_text()


def test_an_adapter_is_merged_into_the_checkpoint_that_is_left(
    root: Path, checkpoint: Path, config: Callable[..., Path], tmp_path: Path
) -> None:
    recipe = config(model={"tuning": "lora"}, sft={"learning_rate": 1e-1})
    summary = trained("sft", "--config", recipe, "--data-root", root, "--out", tmp_path / "run")
    made = Path(summary["model"])
    load(str(made), device="cpu")
    assert not (made / "adapter_config.json").exists()
    before, after = (load_file(folder / "model.safetensors") for folder in (checkpoint, made))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all("language_model" in name and "_proj" in name for name in changed)


def test_another_recipe_is_not_mixed_into_a_run(
    taught: tuple[Path, dict[str, Any]], root: Path, config: Callable[..., Path], tmp_path: Path
) -> None:
    out = shutil.copytree(taught[0], tmp_path / "run")
    result = train("sft", "--config", config(), "--data-root", root, "--out", out, "--seed", 9)
    assert isinstance(result.exception, ValueError)
    assert "holds a run of another config_hash and seed" in str(result.exception)
    assert (out / "summary.json").read_bytes() == (taught[0] / "summary.json").read_bytes()
