"""The shipped small model trained by TRL's trainers, with the shipped recipe, on rendered clips."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch
from typer.testing import CliRunner

from engines.contract import Question
from engines.qwen.checkpoint import load_weights, open_checkpoint
from engines.transformers import load
from grounding.grammar import parse
from grounding.prompts import PROOFREEL
from proofreel.cli import app
from training.data import Reader, open_data
from training.lessons import IGNORED, Teacher, teacher_of
from training.preparing import view_of
from training.recipe import STAGES, Stage, read_recipe
from training.runs import Run
from training.world.items import clip_of
from training.world.pictures import NO_CUTOUTS
from training.world.questions.telling import SEGMENT
from training.world.rendering import Renderer
from training.world.stgr import world_clip

RECIPE = Path(__file__).resolve().parents[3] / "configs/proofreel-small-trl.toml"
SMALL = "proofreel-small"
HELD_OUT = 77


def write(root: Path, *, clips: int, seed: int) -> Path:
    arguments = ["train", "world", "--write", str(root), "--clips", str(clips), "--seed", str(seed)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return root


def train(stage: Stage, *arguments: object, recipe: Path = RECIPE) -> dict[str, Any]:
    command = ["train", stage, "--config", str(recipe), *map(str, arguments), "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, (done.output, done.exception)
    document: dict[str, Any] = json.loads(done.stdout)
    name = document["schema"].removeprefix("proofreel.").replace("/", "-")
    jsonschema.validate(document, json.loads((files("training") / f"schemas/{name}.schema.json").read_text()))
    return document


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("world") / "root", clips=1, seed=0)


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("held-out") / "root", clips=1, seed=HELD_OUT)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Networks as small as this run longer where threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def loss_on(model: Any, root: Path, *, rows: int) -> float:
    """The mean loss of an answer's token over the first rows of the data."""
    teacher = teacher_of_small()
    reader = Reader(open_data(root, split="sft"), view_of(teacher, PROOFREEL))
    losses = []
    for place in range(rows):
        item = reader.read(place)
        lesson = teacher.lesson(
            item.frames, item.times_s.tolist(),
            system=item.system, question=item.question, answer=item.completion,
        )  # fmt: skip
        batch = teacher.batch([lesson], padding="right")
        labels = batch.pop("labels")[0, 1:]
        with torch.no_grad():
            logits = model(**batch).logits[0, :-1]
        taught = labels != IGNORED
        losses.append(torch.nn.functional.cross_entropy(logits[taught], labels[taught]))
    return float(torch.stack(losses).mean())


def teacher_of_small() -> Teacher:
    recipe = read_recipe(RECIPE)
    return teacher_of(open_checkpoint(SMALL), layout=recipe.model.layout, frames=recipe.frames)


def weights_of(checkpoint: object) -> Any:
    return load_weights(open_checkpoint(str(checkpoint)), dtype="float32").eval()


def answers_the_digit(checkpoint: str) -> bool:
    """Whether the engine opens it as it does the shipped one, and reads a digit in a clip of another seed."""
    engine = load(checkpoint, device="cpu")
    assert engine.settings == load(SMALL, device="cpu").settings
    clips = (world_clip(n, level="plain", seed=HELD_OUT, cutouts=NO_CUTOUTS) for n in count(1))
    scene, item = next((c.scene, a.item) for c in clips for a in c.asked if a.item.kind == "digit")
    question = Question(text=item.question, task=item.task)
    (reply,) = engine.answer(clip_of(scene, Renderer(NO_CUTOUTS)), [question])
    return parse(reply.text, segment=SEGMENT, coordinates="relative-1000").text == item.answer


@pytest.mark.parametrize("stage", STAGES)
def test_the_recipe_is_planned_by_the_name_of_the_shipped_model(
    stage: Stage, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATA_ROOT", raising=False)
    alone = train(stage, "--dry-run")
    assert alone["model"]["checkpoint"] == alone["model"]["shapes_from"] == SMALL
    parameters = sum(weight.numel() for weight in weights_of(SMALL).parameters())
    assert alone["model"]["parameters"] == alone["model"]["trained"] == parameters
    assert alone["example"]["frame_tokens"] == 64 and alone["example"]["vision_tokens"] == 768
    plan = train(stage, "--dry-run", "--data-root", world)
    assert plan["data"]["counted"] and list(plan["data"]["sources"]) == ["proofworld"]
    assert plan["example"]["text_tokens_from"] == "counted"
    assert plan["example"]["tokens"] < plan["example"]["max_length"]


def test_a_step_of_sft_leaves_a_checkpoint_that_answers_as_the_shipped_one_does(
    world: Path, tmp_path: Path, one_thread: None
) -> None:
    quick = tmp_path / "quick.toml"
    quick.write_text(
        RECIPE.read_text().replace("batch = 8", "batch = 1", 1).replace("workers = 2", "workers = 0")
    )
    arguments = ("--steps", 2, "--data-root", world, "--out", tmp_path / "run")
    summary = train("sft", *arguments, recipe=quick)
    assert all(entry["token_accuracy"] > 0.6 for entry in Run(folder=tmp_path / "run").metrics())
    assert moved(SMALL, summary["model"])
    assert answers_the_digit(summary["model"])
    assert f"| proofworld | {rows_in(world)} | clips: rendered by Proofreel" in card_of(summary["model"])


def moved(before: str, after: str) -> bool:
    """Whether training has changed the decoder and the vision tower, each."""
    first, second = (weights_of(name).state_dict() for name in (before, after))
    changed = {name.split(".")[1] for name in first if not torch.equal(first[name], second[name])}
    return changed >= {"visual", "language_model"}


def rows_in(root: Path) -> int:
    return len(json.loads((root / "json_data/STGR-SFT.json").read_text()))


def card_of(model: str) -> str:
    return (Path(model) / "README.md").read_text()


@pytest.mark.slow
def test_sft_and_then_gspo_run_by_the_shipped_commands_and_keep_what_the_model_knows(
    held_out: Path, tmp_path: Path, one_thread: None
) -> None:
    root = write(tmp_path / "root", clips=12, seed=0)
    sft = train("sft", "--steps", 4, "--data-root", root, "--out", tmp_path / "sft")
    random = type(weights_of(SMALL))(open_checkpoint(SMALL).config).eval()
    before, after, never = (
        loss_on(m, held_out, rows=6) for m in (weights_of(SMALL), weights_of(sft["model"]), random)
    )
    assert after < before + 0.05 and after < never / 5

    gspo = train(
        "gspo", "--steps", 2, "--data-root", root, "--model", sft["model"], "--out", tmp_path / "gspo"
    )
    first, *_ = Run(folder=tmp_path / "gspo").metrics()
    assert first["reward"] > 2 and {"reward_evidence", "clip_fraction", "zero_variance_share"} <= set(first)
    assert moved(sft["model"], gspo["model"])
    assert answers_the_digit(gspo["model"])
