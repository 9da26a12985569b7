"""How the small model practises: the settings of its GSPO, from a TOML file.

size = "S"
start = "runs/proofreel-small/model"   # the saved model that begins; or proofreel-small, as shipped
level = "hard"
prompts = 64          # questions a rollout, each about a clip of its own
copies = 8            # answers drawn for each
rollouts = 200
lr = 1e-5
mix = { order = 1.0, digit = 1.0 }
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from training.small.config import Amount, CompileMode, Count, Seed, Share, Table
from training.small.shape import SizeName


class Practice(Table):
    """A whole practice. A rollout's answers are learnt from in `minibatches` updates.

    `ratio` is of whole answers (GSPO, arXiv 2507.18071) or of tokens (GRPO); `epsilon` and `epsilon_high`
    clip it. `aggregation`: how components of the reward become one advantage (see `training.policy`).
    `skip_even`: groups in which all answers earned alike are left out, with the updates that they fill.
    Without `draw_boxes` the numbers of boxes are the likeliest ones and are not learnt from: what is told
    apart is then what was said and when, not the luck of a coordinate.
    `lr` falls in a line to `final_share` of it. `ema_decay` above 0, an update: what is saved is the running
    mean of the weights.
    `seconds` above 0 ends a practice once so many were spent, compiling aside. `question_len` and `longest`
    are tokens of a question and of an answer at most.
    """

    size: SizeName = "S"
    seed: Seed = 0
    start: str
    level: Literal["plain", "hard"] = "hard"
    mix: dict[str, Amount]
    frames: Count = 12
    question_len: Count = 80
    longest: Count = 96
    prompts: Count = 64
    copies: Annotated[int, Field(ge=2)] = 8
    rollouts: Count = 200
    seconds: Amount = 0.0
    minibatches: Count = 4
    temperature: Annotated[float, Field(gt=0)] = 1.0
    draw_boxes: bool = True
    rewards: Literal["proofreel", "open-o3"] = "proofreel"
    weights: dict[str, float] = Field(default_factory=dict)
    sigma_s: Literal["annealed"] | Annotated[float, Field(gt=0)] = "annealed"
    gate: bool = True
    aggregation: Literal["sum_then_normalize", "normalize_then_sum"] = "sum_then_normalize"
    skip_even: bool = True
    ratio: Literal["sequence", "token"] = "sequence"
    epsilon: Amount = 3e-4
    epsilon_high: Amount = 4e-4
    optimiser: Literal["adamw", "muon"] = "adamw"
    lr: Amount = 1e-5
    warmup: Annotated[int, Field(ge=0)] = 5
    final_share: Share = 1.0
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.0
    compile: CompileMode = "default"
    workers: Annotated[int, Field(ge=0)] = 8
    scorers: Annotated[int, Field(ge=0)] = 6
    log_every: Count = 1
    checkpoint_every: Count = 20

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.prompts % self.minibatches:
            raise ValueError(f"prompts {self.prompts} do not divide into {self.minibatches} minibatches")
        return self

    def lr_at(self, rollout: int, *, progress: float) -> float:
        """Of rollout number `rollout`, of a practice of which `progress` 0..1 is done."""
        warm = min(1.0, (rollout + 1) / self.warmup) if self.warmup else 1.0
        return self.lr * warm * (1 - (1 - self.final_share) * progress)
