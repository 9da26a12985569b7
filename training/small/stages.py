"""The stages that the small model is trained in, from a TOML file.

size = "S"
seed = 0
[[stages]]
name = "see"        # its checkpoint's folder
level = "plain"     # how hard a world; "both": of three batches one plain
mix = { where = 1.0, dense = 2.0 }  # the weight of each kind of question
frames = 4          # of each clip: what the step is compiled for
shown = [1, 4]      # the least and most frames of short clips; not given: every clip shows all
short_share = 0.25  # of clips, whose number of frames is drawn from `shown`; not given: of each
batch = 128         # clips a step
steps = 600
text_len = 184      # tokens of questions and answers after the frames
sigma = 8.0         # of the bell around coordinates, in 1/1000 of the frame; 0: hard targets
lr = 1e-3           # the peak of this stage; one cosine goes over all stages
warmup_steps = 100
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from training.small.config import Amount, CompileMode, Count, Seed, Share, Table
from training.small.shape import SizeName


class Stage(Table):
    """One stage: what is shown, how many steps, and how it is learnt. `sigma_end`: where sigma ends."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    mix: dict[str, Amount]
    level: Literal["plain", "hard", "both"] = "plain"
    frames: Count
    shown: tuple[Count, Count] | None = None
    short_share: Annotated[float, Field(gt=0, le=1)] | None = None
    batch: Count
    steps: Count
    text_len: Count
    sigma: Amount = 8.0
    sigma_end: Amount | None = None
    lr: Amount = 1e-3
    warmup_steps: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _shows_what_it_has(self) -> Self:
        if self.shown is None:
            if self.short_share is not None:
                raise ValueError(
                    f"stage {self.name!r}: short_share = {self.short_share} without shown: add the least and "
                    f"most frames of a short clip, shown = [1, {self.frames}]"
                )
            return self
        least, most = self.shown
        if least > most:
            raise ValueError(f"stage {self.name!r}: shown = [{least}, {most}]: the least frames come first")
        if most > self.frames:
            raise ValueError(
                f"stage {self.name!r}: shown = [{least}, {most}]: its clips have {self.frames} frames at most"
            )
        return self

    def sigma_at(self, done: float) -> float:
        """Sigma when the share `done` of the stage is over."""
        end = self.sigma if self.sigma_end is None else self.sigma_end
        return self.sigma + (end - self.sigma) * done

    @property
    def shape(self) -> tuple[int, int, int]:
        """What a compiled step is made for: clips, frames, words."""
        return self.batch, self.frames, self.text_len


class Training(Table):
    """A whole training. `start` is the folder of a saved model to begin from, or a shipped one by name.

    `lr` of stages is Muon's; AdamW's is `adamw_share` of it. The cosine ends at `final_share` of the peak.
    `ema_decay` above 0: what is saved is the running mean of the weights. `wide`: the residual stream stays
    in float32 where a GPU multiplies in bfloat16. `compile`: not at all, a block and a layer once for all
    ("parts", soonest ready), or each step as a whole. `checkpoint_every` is a multiple of `log_every`.
    """

    size: SizeName = "S"
    seed: Seed = 0
    start: str = ""
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    adamw_share: Amount = 1.0
    weight_decay: Amount = 0.05
    final_share: Share = 0.03
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    compile: CompileMode = "default"
    wide: bool = True
    workers: Annotated[int, Field(ge=0)] = 14
    log_every: Count = 50
    checkpoint_every: Count = 500

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.checkpoint_every % self.log_every:
            raise ValueError(
                f"checkpoint_every {self.checkpoint_every} is no multiple of log_every {self.log_every}"
            )
        names = [stage.name for stage in self.stages]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two stages are named {twice!r}: give each a name of its own")
        return self

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def lr_at(self, step: int) -> float:
        """The learning rate of step number `step` of all: warmed up in its stage, and one cosine."""
        lesson = next(lesson for lesson in self.lessons() if step < lesson.stop)
        stage, within = lesson.stage, step - lesson.start
        warm = min(1.0, (within + 1) / stage.warmup_steps) if stage.warmup_steps else 1.0
        wave = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return stage.lr * warm * (self.final_share + (1 - self.final_share) * wave)

    def lessons(self) -> Iterator[Lesson]:
        """The stages with their numbers of steps counted through."""
        start = 0
        for number, stage in enumerate(self.stages):
            yield Lesson(number=number, stage=stage, start=start)
            start += stage.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A stage at its place: its steps are `start` to before `stop` of the whole."""

    number: int
    stage: Stage
    start: int

    @property
    def stop(self) -> int:
        return self.start + self.stage.steps
