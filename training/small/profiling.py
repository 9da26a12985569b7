"""Where the time of a training step goes: a few steps of each stage, and nothing kept."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from training.runs import Run
from training.small.loop import School, Told, brief
from training.small.pace import PARTS, Measured
from training.small.source import Source
from training.small.stages import Stage, Training

STEPS = 60
"""Steps of each stage, of which the first compiles and the last `LOOKED_AT` are measured."""

LOOKED_AT = 40


def profile_stages(config: Training, *, source: Source, device: torch.device, told: Told) -> None:
    """Tell the milliseconds and the share of every part of a step, for each stage."""
    for stage in config.stages:
        short = config.model_copy(
            update={
                "stages": (stage.model_copy(update={"steps": STEPS}),),
                "log_every": STEPS - LOOKED_AT,
                "checkpoint_every": STEPS * STEPS,
            }
        )
        with tempfile.TemporaryDirectory() as folder:
            school = School(
                short, source=source, device=device, run=Run(folder=Path(folder)), told=lambda _line: None
            )
            (lesson,) = short.lessons()
            school.teach(lesson)
            told(_table(stage, school.watched[1:], school.run))


def _table(stage: Stage, windows: list[Measured], run: Run) -> str:
    steps, seconds = (sum(w.steps for w in windows), sum(w.seconds for w in windows))
    parts = {part: sum(w.parts_s[part] for w in windows) for part in PARTS}
    parts["between steps"] = seconds - sum(parts.values())
    *_, last = run.metrics()
    lines = [f"stage {stage.name}: {stage.batch} clips of {stage.frames} frames; {brief(last)}"]
    lines += [f"  {part:14} {s / steps * 1e3:8.2f} ms {s / seconds:6.1%}" for part, s in parts.items()]
    waited = sum(w.waited_s for w in windows)
    lines.append(f"  {'(waiting':14} {waited / steps * 1e3:8.2f} ms {waited / seconds:6.1%}, host)")
    return "\n".join(lines)
