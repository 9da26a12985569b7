"""`--dry-run`: the whole plan of a recipe, with or without data and checkpoint."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from engines.qwen.shapes import FAMILIES, Family
from proofreel.cli import app
from tests import stgr, tiny_qwen
from tests.schooling import table, write_recipe
from training.preparing import prepare
from training.recipe import STAGES, Stage, read_recipe

ROOT = Path(__file__).resolve().parents[3]
REAL = ("open-o3-qwen3-vl-8b", "open-o3-qwen2.5-vl-7b")


def planned(stage: Stage, config: Path, *more: object) -> dict[str, Any]:
    command = ["train", stage, "--config", str(config), "--dry-run", "--json", *map(str, more)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, (result.output, result.exception)
    document: dict[str, Any] = json.loads(result.stdout)
    schema = json.loads((files("training") / "schemas/train-plan-1.schema.json").read_text())
    jsonschema.validate(document, schema)
    return document


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("stage", STAGES)
def test_the_real_recipe_is_planned_for_8_gpus_with_nothing_on_disk(
    name: str, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATA_ROOT", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    plan = planned(stage, Path(name))
    assert plan["config"] == str(ROOT / f"configs/{name}.toml")
    rows = {"sft": 31_166, "gspo": 37_231}[stage]
    assert (plan["data"]["rows"], plan["data"]["counted"]) == (rows, False)
    assert "released, not counted here" in plan["data"]["note"]
    assert plan["steps"]["gpus"] == 8 and plan["steps"]["examples_a_step"] == 8
    assert plan["steps"]["total"] == {"sft": 3896, "gspo": 4652}[stage]
    assert plan["example"]["vision_tokens"] == 16 * 128
    assert plan["example"]["text_tokens_from"] == "assumed"
    assert plan["memory"]["sharding"] == "fsdp2" and 20e9 < plan["memory"]["total"] < 60e9
    assert (plan["memory"]["rollout"] > 0) == (stage == "gspo")
    assert "accelerate launch --config_file" in plan["launch"]
    assert plan["launch"].endswith(f"proofreel train {stage} --config {ROOT / f'configs/{name}.toml'}")


def test_people_get_the_plan_as_a_table() -> None:
    config = ROOT / "configs/open-o3-qwen2.5-vl-7b.toml"
    result = CliRunner().invoke(app, ["train", "gspo", "--config", str(config), "--dry-run"])
    assert result.exit_code == 0
    for said in ("8,292,166,656", "released, not counted here", "37,231", "fsdp2", "answers a step", "4,652"):
        assert said in result.output


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stgr.make_root(tmp_path_factory.mktemp("stgr"))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stage", STAGES)
def test_where_data_and_checkpoint_are_there_all_is_counted_as_the_trainer_counts(
    family: Family, stage: Stage, root: Path, tmp_path: Path
) -> None:
    checkpoint = tiny_qwen.save_checkpoint(tmp_path / "ck", family)
    changes: dict[str, Any] = {stage: {"steps": None, "epochs": 3.0, "accumulation": 2}}
    whole = table(checkpoint, family, **changes)
    del whole[stage]["steps"]
    config = write_recipe(tmp_path / "tiny.toml", whole)
    plan = planned(stage, config, "--data-root", root)
    assert plan["data"]["counted"] and plan["data"]["rows"] == 7
    assert plan["data"]["sources"]["videor1_mcq"] == 1
    assert plan["example"]["text_tokens_from"] == "counted"
    assert plan["model"]["parameters"] == sum(p.numel() for p in tiny_qwen.model(family).parameters())
    trainer, longest = real_trainer(stage, config, root, tmp_path)
    batches = len(trainer.get_train_dataloader())
    assert (
        plan["steps"]["total"]
        == trainer.set_initial_training_values(trainer.args, trainer.get_train_dataloader())[-1]
    )
    assert batches and longest <= plan["example"]["tokens"]


def test_the_checkpoint_that_ships_is_planned_by_its_name(root: Path, tmp_path: Path) -> None:
    config = write_recipe(tmp_path / "tiny.toml", table(Path("proofreel-small"), "qwen3_vl"))
    plan = planned("sft", config, "--data-root", root)
    assert plan["launch"] == f"proofreel train sft --config {config} --data-root {root}"
    assert plan["model"]["checkpoint"] == "proofreel-small"
    assert plan["example"]["text_tokens_from"] == "counted"


def real_trainer(stage: Stage, config: Path, root: Path, folder: Path) -> tuple[Any, int]:
    """The trainer of that plan, and the longest lesson that it is given."""
    from training.stage import _trainer

    recipe = read_recipe(config, **{"data.root": str(root)})
    prepared = prepare(stage, recipe, config=config, told=lambda _: None)
    trainer = _trainer(stage, recipe, prepared, out=folder / "run")
    room = recipe.gspo.rollout.max_completion_length if recipe.gspo and stage == "gspo" else 0
    rows = trainer.train_dataset
    return trainer, max(rows[k]["lesson"].length for k in range(len(rows))) + room


def test_a_launch_that_does_not_add_up_is_said(tmp_path: Path) -> None:
    (tmp_path / "four.yaml").write_text("distributed_type: FSDP\nnum_processes: 4\n")
    for launch, said in (
        ({"gpus": 8}, "names no file"),
        ({"gpus": 8, "accelerate": "four.yaml"}, "starts 4 processes, and launch.gpus is 8"),
        ({"gpus": 8, "accelerate": "gone.yaml"}, "no accelerate file with num_processes"),
    ):
        whole = table(Path("Qwen/Qwen3-VL-8B-Instruct"), "qwen3_vl", launch=launch)
        config = write_recipe(tmp_path / "r.toml", whole)
        result = CliRunner().invoke(app, ["train", "sft", "--config", str(config), "--dry-run"])
        assert isinstance(result.exception, ValueError) and said in str(result.exception)
