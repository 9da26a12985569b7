"""One stage of training from recipe to checkpoint: look through, load, train, save, report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grounding.errors import printable
from training.owning import owned
from training.recipe import Recipe, Stage
from training.runs import Run, command_line
from training.trainers import is_first, last_checkpoint, memory_explained, num_processes

if TYPE_CHECKING:
    from training.preparing import Prepared

Told = Callable[[str], None]

CHECKPOINTS, MODEL = "checkpoints", "model"


def run_stage(stage: Stage, recipe: Recipe, prepared: Prepared, *, out: Path, told: Told) -> dict[str, Any]:
    """Train, going on from the last whole checkpoint in `out` if there is one. Gives the summary.

    A run that is over is left as it is. Leaves `out`/model (a checkpoint that engines open), plots,
    report.html and the run's files. Raises ValueError where `out` holds another run or can't be written,
    TrainingError where memory or the disk is not enough.
    """
    with owned(out) if is_first() else nullcontext():
        return _run(stage, recipe, prepared, out=out, told=told if is_first() else _silent)


def _run(stage: Stage, recipe: Recipe, prepared: Prepared, *, out: Path, told: Told) -> dict[str, Any]:
    from training.student import DTYPES, save_whole

    run = _begin(stage, recipe, prepared, out=out)
    over = run.summary()
    if over is not None:
        told(f"{printable(out)} is over: for another run, give another --out")
        return {**over, **_left(out)}  # which may have been moved
    trainer = _trainer(stage, recipe, prepared, out=out)
    _record(trainer, run, recipe, stage, told=told)
    last = last_checkpoint(out / CHECKPOINTS)
    if last is not None:
        told(f"going on from step {last.name.partition('-')[2]}")
    with memory_explained(recipe, stage, step=lambda: trainer.state.global_step):
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    save_whole(trainer, out / MODEL, dtype=DTYPES[recipe.model.dtype])
    summary = _summary(stage, trainer, out=out)
    if is_first():
        _finish(run, recipe, stage, prepared=prepared, summary=summary)
    return summary


def _silent(_: str) -> None:
    """What the processes beside the first one say."""


def _begin(stage: Stage, recipe: Recipe, prepared: Prepared, *, out: Path) -> Run:
    if not is_first():
        return Run(folder=out)
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return Run.begin(
        out,
        config=recipe.settings(stage),
        seed=recipe.learning(stage).seed,
        data=prepared.fingerprint,
        device=f"{num_processes()} x {device}",
        command=command_line(),
    )


def _trainer(stage: Stage, recipe: Recipe, prepared: Prepared, *, out: Path) -> Any:
    from training.gspo import gspo_trainer
    from training.material import Material
    from training.processor import LessonProcessor
    from training.sft import sft_trainer
    from training.student import load_student

    build = sft_trainer if stage == "sft" else gspo_trainer
    return build(
        lambda: load_student(prepared.checkpoint, recipe.model, prepared.teacher),
        Material(items=prepared.items, teacher=prepared.teacher),
        recipe,
        processor=LessonProcessor(prepared.teacher, folder=prepared.checkpoint.path),
        folder=out / CHECKPOINTS,
    )


def _record(trainer: Any, run: Run, recipe: Recipe, stage: Stage, *, told: Told) -> None:
    from training.recorder import Recorder

    learning = recipe.learning(stage)
    examples = learning.batch * learning.accumulation * num_processes()
    trainer.add_callback(Recorder(run, examples_a_step=examples, told=told))


def _summary(stage: Stage, trainer: Any, *, out: Path) -> dict[str, Any]:
    state = trainer.state
    return {
        "stage": stage,
        "steps": state.global_step,
        "epochs": state.epoch,
        **_left(out),
    }


def _left(out: Path) -> dict[str, str]:
    """Where what a run leaves is: absolute paths."""
    return {
        "model": printable(os.path.abspath(out / MODEL)),
        "report": printable(os.path.abspath(out / "report.html")),
    }


def _finish(
    run: Run, recipe: Recipe, stage: Stage, *, prepared: Prepared, summary: Mapping[str, Any]
) -> None:
    from training.card import write_card
    from training.report import write_report

    run.finish(summary)
    write_card(run, recipe, stage, prepared=prepared, folder=run.folder / MODEL)
    write_report(run)
