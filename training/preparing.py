"""What is looked at before anything is loaded: data, checkpoint, lengths. What is wrong is said here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from engines.qwen.checkpoint import Checkpoint, find_here
from engines.qwen.shapes import COORDINATES
from grounding.errors import TrainingError, printable
from grounding.prompts import PROOFREEL, PromptSet, load_prompts
from training.data import ModelView, Reader, Split, open_data
from training.lengths import RowLength, check_lengths, row_lengths
from training.lessons import Teacher, teacher_of
from training.material import Item, Items
from training.plan import Plan, launch_of, make_plan, sharding_of
from training.recipe import Gspo, Recipe, Stage, data_root, named_root
from training.student import open_student
from training.trainers import num_processes

if TYPE_CHECKING:
    from training.data import Data

Told = Callable[[str], None]

SPLITS: dict[Stage, Split] = {"sft": "sft", "gspo": "rl"}


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a stage trains with: a checkpoint looked through, and the rows that it is taught."""

    checkpoint: Checkpoint
    teacher: Teacher
    items: Items = field(repr=False)
    fingerprint: str
    sources: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Some rows of a reader, by their places."""

    reader: Reader
    places: Sequence[int] = field(repr=False)

    def __len__(self) -> int:
        return len(self.places)

    def read(self, place: int, /) -> Item:
        return self.reader.read(self.places[place])


def prepare(
    stage: Stage, recipe: Recipe, *, config: Path, told: Told, options: Sequence[str] = ()
) -> Prepared:
    """Everything that can be wrong is found here, the cheap things first. `options`: see `launch_of`.

    Raises ValueError for data, prompts, lengths and GPUs, EngineError for a checkpoint.
    """
    _check_launch(stage, recipe, config=config, options=options)
    root, prompts = data_root(recipe), prompts_of(recipe)
    data = _opened(stage, recipe, root, told=told)
    checkpoint = open_student(recipe.model, name=start_of(stage, recipe))  # which may fetch it from the hub
    teacher = teacher_of(checkpoint, layout=recipe.model.layout, frames=recipe.frames)
    places = [length.place for length in _fitting(stage, recipe, data, teacher, prompts)]
    return Prepared(
        checkpoint=checkpoint,
        teacher=teacher,
        items=Chosen(reader=Reader(data, view_of(teacher, prompts)), places=places),
        fingerprint=data.fingerprint,
        sources={name: count.usable for name, count in data.report.by_source.items()},
    )


def _check_launch(stage: Stage, recipe: Recipe, *, config: Path, options: Sequence[str]) -> None:
    """That as many processes run as the recipe counts on: a step learns from so many rows."""
    sharding_of(recipe, config=config)
    if num_processes() != recipe.launch.gpus:
        raise ValueError(
            f"the recipe is for {recipe.launch.gpus} GPUs, and {num_processes()} process was started: start "
            f"it by `{launch_of(stage, recipe, config=config, options=options)}`, or change launch.gpus"
        )
    own = recipe.learning(stage)
    if isinstance(own, Gspo) and own.rollout.vllm != "off" and find_spec("vllm") is None:
        raise TrainingError('vllm is not installed: pip install vllm, or set rollout.vllm = "off" in [gspo]')


def planned(stage: Stage, recipe: Recipe, *, config: Path, told: Told, options: Sequence[str] = ()) -> Plan:
    """The plan, with data and texts counted where they are there; nothing is needed but the recipe.

    `options`: see `launch_of`.
    """
    if named_root(recipe) is None:
        return make_plan(stage, recipe, config=config, data=None, options=options)
    data = _opened(stage, recipe, data_root(recipe), told=told)
    name = start_of(stage, recipe)
    if find_here(name) is None:
        return make_plan(stage, recipe, config=config, data=data, options=options)
    checkpoint = open_student(recipe.model, name=name)
    teacher = teacher_of(checkpoint, layout=recipe.model.layout, frames=recipe.frames)
    fitting = _fitting(stage, recipe, data, teacher, prompts_of(recipe))
    text_tokens = max(length.text for length in fitting)
    return make_plan(
        stage,
        recipe,
        config=config,
        data=data,
        options=options,
        text_tokens=text_tokens,
        rows=len(fitting),
    )


def start_of(stage: Stage, recipe: Recipe) -> str:
    """The checkpoint that the stage starts from."""
    own = recipe.learning(stage)
    return (own.start_from if isinstance(own, Gspo) else None) or recipe.model.checkpoint


def prompts_of(recipe: Recipe) -> PromptSet:
    """The system prompts. Raises ValueError for a file that holds none."""
    return PROOFREEL if recipe.data.prompts is None else load_prompts(recipe.data.prompts)


def view_of(teacher: Teacher, prompts: PromptSet) -> ModelView:
    """The frames and coordinates of what is taught."""
    own, shapes = teacher.frames, teacher.layout.shapes
    return ModelView(
        coordinates=COORDINATES[shapes.family],
        step=shapes.vision.step,
        rate_hz=own.rate_hz,
        max_frames=own.max_frames,
        max_side=own.max_side,
        least_pixels=own.least_pixels,
        most_pixels=own.most_pixels,
        picture_most_pixels=own.picture_most_pixels,
        prompts=prompts,
    )


def _opened(stage: Stage, recipe: Recipe, root: Path, *, told: Told) -> Data:
    data = open_data(root, split=SPLITS[stage], skip_missing=recipe.data.skip_missing)
    report = data.report
    told(f"{printable(report.path)}: {report.usable:,} of {report.rows:,} rows can be used")
    for finding in [f for f in report.findings if f.kind not in ("missing", "reasoning")][:10]:
        told(f"  row {finding.index} ({printable(finding.id)}) is left out: {finding.what}; {finding.advice}")
    return data


def _fitting(
    stage: Stage, recipe: Recipe, data: Data, teacher: Teacher, prompts: PromptSet
) -> list[RowLength]:
    own = recipe.learning(stage)
    room = own.rollout.max_completion_length if isinstance(own, Gspo) else 0
    lengths = row_lengths(data, teacher, prompts, answer_room=room)
    return check_lengths(lengths, data, max_length=own.max_length, skip_long=recipe.data.skip_long)
