"""What a run is made of, as a TOML file: one a model, with the tables that SFT and GSPO share and one each.

    [model]      checkpoint, family, layout, tuning (full | lora), freeze_vision, dtype
    [model.lora] rank, alpha, dropout, targets
    [data]       root, prompts, skip_missing, skip_long
    [frames]     rate_hz, max_frames, max_side, least_pixels, most_pixels
    [launch]     gpus, accelerate
    [sft]        how it learns from answers
    [gspo]       how it learns from rewards; with [gspo.rollout] and [gspo.rewards]

A key that isn't known is an error that lists those that are.
"""

from __future__ import annotations

import math
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from engines.qwen.shapes import Family
from grounding.errors import printable

Stage = Literal["sft", "gspo"]
STAGES: tuple[Stage, ...] = get_args(Stage)

ROOT_VARIABLE = "DATA_ROOT"

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[float, Field(gt=0.0)]


def _expanded(path: str) -> str:
    """A path in a file, in which no shell fills in the home folder."""
    return str(Path(path).expanduser()) if path.startswith("~") else path


Named = Annotated[str, AfterValidator(_expanded)]


class Part(BaseModel):
    """A table of the file. Nothing is taken for something else, and nothing unknown is ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Lora(Part):
    """A low-rank adapter (arXiv 2106.09685) on `targets`, the linear layers of the decoder by their names."""

    rank: Count = 64
    alpha: Count = 128
    dropout: Share = 0.05
    targets: list[str] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Model(Part):
    """What is trained. `checkpoint` is a directory or a hub name and must be of `family`.

    `layout` is how frames and times are written; the checkpoint's own where it isn't given. Video parts
    ("qwen3-native") can't be trained: a checkpoint of that layout becomes one of "open-o3".
    """

    checkpoint: Named
    family: Family
    layout: Literal["open-o3", "stamped"] | None = None
    tuning: Literal["full", "lora"] = "full"
    lora: Lora = Lora()
    freeze_vision: bool = False
    dtype: Literal["bf16", "fp32"] = "bf16"


class Data(Part):
    """`root` is the DATA_ROOT; the variable of that name where it isn't given. `prompts` is a TOML file of
    system prompts, Proofreel's own where it isn't given. Rows whose media are missing, and rows that are
    longer than `max_length`, stop the run unless they may be skipped.
    """

    root: Named | None = None
    prompts: Named | None = None
    skip_missing: bool = False
    skip_long: bool = False


class Frames(Part):
    """At most `max_frames` of a video, `rate_hz` a second where it is short enough; decoded with a longest
    side of `max_side` px, then resized to `least_pixels`..`most_pixels`; a single picture to
    `picture_most_pixels`.
    """

    rate_hz: Positive = 2.0
    max_frames: Count = 16
    max_side: Count = 448
    least_pixels: Count = 3136
    most_pixels: Count = 100352
    picture_most_pixels: Count = 401408

    @model_validator(mode="after")
    def _check(self) -> Frames:
        for name in ("most_pixels", "picture_most_pixels"):
            if self.least_pixels > getattr(self, name):
                raise ValueError(f"least_pixels {self.least_pixels} is above {name} {getattr(self, name)}")
        return self


class Launch(Part):
    """On how many GPUs, and by which accelerate file (beside the recipe)."""

    gpus: Count = 1
    accelerate: str | None = None


class Learning(Part):
    """How weights are changed. `batch` is examples (GSPO: answers) a GPU and pass; `accumulation` passes make
    one step. `steps` caps `epochs`. `max_length` in tokens, prompt and answer together. `save_every` and
    `log_every` in steps.
    """

    learning_rate: Positive
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: Share = 0.03
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    max_grad_norm: Positive = 1.0
    batch: Count = 1
    accumulation: Count = 1
    epochs: Positive = 1.0
    steps: Count | None = None
    max_length: Count = 16384
    gradient_checkpointing: bool = True
    save_every: Count = 500
    keep: Annotated[int, Field(ge=2)] = 2
    log_every: Count = 1
    workers: Annotated[int, Field(ge=0)] = 4
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0


class Sft(Learning):
    """Supervised fine-tuning: the loss is on the answer alone."""


class Rollout(Part):
    """How answers are sampled. `vllm` needs vLLM installed; "colocate" runs it on the training GPUs."""

    num_generations: Annotated[int, Field(ge=2)] = 8
    temperature: Positive = 1.0
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    max_completion_length: Count = 768
    vllm: Literal["off", "colocate", "server"] = "off"


class Rewards(Part):
    """Which set scores answers, and how (see `training.rewards.RewardOptions`); `weights` of its components
    where they aren't 1. `normalisation` of the summed reward in its group, or of each reward (GDPO).
    """

    set: Literal["open-o3", "proofreel"] = "proofreel"
    sigma_s: Positive | Literal["annealed"] = "annealed"
    gate: bool = True
    closed_answers: bool = False
    weights: dict[str, float] = {}
    normalisation: Literal["group", "gdpo"] = "group"


class Gspo(Learning):
    """Group sequence policy optimisation (arXiv 2507.18071).

    `steps_per_generation` steps are taken on the answers of one rollout. `start_from` is what SFT left;
    the model's own checkpoint where it isn't given.
    """

    start_from: Named | None = None
    epsilon: Positive = 3e-4
    epsilon_high: Positive = 4e-4
    beta: Annotated[float, Field(ge=0.0)] = 0.0
    steps_per_generation: Count = 4
    importance: Literal["sequence", "token"] = "sequence"
    rollout: Rollout = Rollout()
    rewards: Rewards = Rewards()

    @model_validator(mode="after")
    def _check(self) -> Gspo:
        steps = math.lcm(self.steps_per_generation, self.accumulation) // self.accumulation
        if self.save_every % steps:
            raise ValueError(
                f"save_every {self.save_every} must be a multiple of {steps}, the steps of a rollout, "
                "as a run goes on from the start of one"
            )
        return self


class Recipe(Part):
    """One file, read."""

    model: Model
    data: Data = Data()
    frames: Frames = Frames()
    launch: Launch = Launch()
    sft: Sft | None = None
    gspo: Gspo | None = None

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        if self.gspo is not None:
            answers = self.gspo.batch * self.launch.gpus * self.gspo.steps_per_generation
            group = self.gspo.rollout.num_generations
            if answers % group:
                raise ValueError(
                    f"a rollout writes {answers} answers (gspo.batch x launch.gpus x steps_per_generation), "
                    f"which {group} (gspo.rollout.num_generations) must divide: raise gspo.batch"
                )
        return self

    def learning(self, stage: Stage) -> Sft | Gspo:
        """The stage's own table. Raises ValueError where the file has none."""
        own = self.sft if stage == "sft" else self.gspo
        if own is None:
            raise ValueError(f"the recipe has no table [{stage}]: add one, or use another --config")
        return own

    def settings(self, stage: Stage) -> dict[str, Any]:
        """Every setting that the stage's result depends on, with its value."""
        parts = {name: getattr(self, name).model_dump(mode="json") for name in ("model", "frames", "launch")}
        data = self.data.model_dump(mode="json", exclude={"root"})  # where it lies doesn't change what it is
        return {"stage": stage, **parts, "data": data, stage: self.learning(stage).model_dump(mode="json")}


def read_recipe(path: Path, **changes: Any) -> Recipe:
    """The recipe in the file at `path`, with `changes` ("model.checkpoint" -> value; None changes nothing).

    Raises ValueError, naming the file, the key, what is wrong and what is allowed.
    """
    where = printable(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{where}: can't read the recipe ({error.strerror}): check --config") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{where}: the recipe isn't TOML: {error}") from error
    for place, value in changes.items():
        if value is not None:
            _put(table, place.split("."), value)
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise ValueError(f"{where}: {_first(error)}") from None


def named_root(recipe: Recipe) -> str | None:
    """What the recipe or else the variable calls the DATA_ROOT."""
    return recipe.data.root or os.environ.get(ROOT_VARIABLE) or None


def data_root(recipe: Recipe) -> Path:
    """The folder that the data lie under.

    Raises ValueError where none is named, or there is none.
    """
    named = named_root(recipe)
    if named is None:
        raise ValueError(
            f"no DATA_ROOT: give --data-root, set {ROOT_VARIABLE}, or root in [data] of the recipe"
        )
    root = Path(named).expanduser()
    if not root.is_dir():
        raise ValueError(
            f"DATA_ROOT {printable(root)} is no directory: mount it, or give another --data-root"
        )
    return root


def _put(table: dict[str, Any], place: list[str], value: Any) -> None:
    for key in place[:-1]:
        table = table.setdefault(key, {})
    table[place[-1]] = value


def _first(error: ValidationError) -> str:
    """The first complaint, with its place; of an unknown key, what there is instead."""
    found = error.errors()[0]
    place = ".".join(map(str, found["loc"])) or "recipe"
    if found["type"] == "extra_forbidden":
        allowed = ", ".join(_part(found["loc"][:-1]).model_fields)
        return f"unknown key {place!r}: there are {allowed}"
    if found["type"] == "missing":
        return f"{place} is missing: add it"
    message = found["msg"].removeprefix("Value error, ")
    given = "" if found["type"] == "value_error" else f", not {found['input']!r}"
    return f"{place}: {message}{given}"


def _part(place: tuple[int | str, ...]) -> type[Part]:
    part: type[Part] = Recipe
    for key in place:
        annotation = part.model_fields[str(key)].annotation
        part = next(
            a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, Part)
        )
    return part
