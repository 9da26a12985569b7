"""What both trainers share: arguments from a recipe, going on after a kill, running out of memory."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grounding.errors import TrainingError
from training.recipe import Learning, Recipe, Stage

STATE = "trainer_state.json"
_NO_MEMORY = "can't allocate memory"  # of PyTorch's allocator for the CPU
_SWEPT = ("PrinterCallback", "ProgressCallback")  # they write to standard output, where results go


def is_first() -> bool:
    """Whether this is the process that writes files and speaks: the first of those launched together."""
    return int(os.environ.get("RANK", "0")) == 0


def num_processes() -> int:
    """How many were launched together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def arguments(recipe: Recipe, learning: Learning, *, folder: Path) -> dict[str, Any]:
    """Fields of `transformers.TrainingArguments`, which TRL's configs extend."""
    import torch

    return {
        "output_dir": str(folder),
        "per_device_train_batch_size": learning.batch,
        "gradient_accumulation_steps": learning.accumulation,
        "learning_rate": learning.learning_rate,
        "lr_scheduler_type": learning.schedule,
        "warmup_steps": learning.warmup,
        "weight_decay": learning.weight_decay,
        "max_grad_norm": learning.max_grad_norm,
        "num_train_epochs": learning.epochs,
        "max_steps": learning.steps or -1,
        "bf16": recipe.model.dtype == "bf16",
        "activation_checkpointing": learning.gradient_checkpointing,
        "activation_checkpointing_kwargs": {"use_reentrant": False},
        "logging_steps": learning.log_every,
        "save_steps": learning.save_every,
        "save_total_limit": learning.keep,
        "dataloader_num_workers": learning.workers,
        "dataloader_prefetch_factor": 2 if learning.workers else None,
        "seed": learning.seed,
        "data_seed": learning.seed,
        "remove_unused_columns": False,
        "report_to": "none",
        "use_cpu": not torch.cuda.is_available(),
    }


class GoesOn:
    """A trainer that goes on with the weights of its checkpoint, and with all of them; it writes no card.

    transformers 5.24 saves Qwen2.5-VL under the names of its first release and, to go on, looks for today's
    names, not minding what it lacks: a fully tuned model would begin anew without a word.
    """

    model: Any
    is_fsdp_enabled: bool
    is_deepspeed_enabled: bool

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_fsdp_enabled or self.is_deepspeed_enabled or hasattr(self.model, "peft_config"):
            super()._load_from_checkpoint(resume_from_checkpoint, model)  # type: ignore[misc]
            return
        saved = type(self.model).from_pretrained(resume_from_checkpoint, dtype=self.model.dtype)
        self.model.load_state_dict(saved.state_dict())

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """`training.card` writes it, beside the model that is left."""


def sweep(trainer: Any) -> None:
    """Take out the callbacks that print."""
    for callback in list(trainer.callback_handler.callbacks):
        if type(callback).__name__ in _SWEPT:
            trainer.remove_callback(callback)


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint in the folder that is whole: what a kill cut off is passed over."""
    found = [path for path in folder.glob("checkpoint-*") if path.name.partition("-")[2].isdigit()]
    newest_first = sorted(found, key=lambda path: int(path.name.partition("-")[2]), reverse=True)
    return next((path for path in newest_first if _is_whole(path)), None)


def _is_whole(path: Path) -> bool:
    """The trainer writes its state last."""
    try:
        json.loads((path / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


@contextmanager
def memory_explained(recipe: Recipe, stage: Stage, *, step: Callable[[], int]) -> Iterator[None]:
    """Turn running out of memory into one sentence with what to lower. `step` gives the step reached."""
    import torch

    try:
        yield
    except (RuntimeError, MemoryError) as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        on_gpu = isinstance(error, torch.OutOfMemoryError)
        if not on_gpu and not isinstance(error, MemoryError) and _NO_MEMORY not in first:
            raise
        raise TrainingError(
            f"out of {'GPU ' if on_gpu else ''}memory at step {step() + 1} ({first.partition('. GPU')[0]}): "
            f"{', or '.join(to_lower(recipe, stage))}; what was saved stays"
        ) from error


def to_lower(recipe: Recipe, stage: Stage) -> list[str]:
    """What takes less memory and isn't done yet, the harmless first."""
    learning = recipe.learning(stage)
    found = []
    if not learning.gradient_checkpointing:
        found.append("set gradient_checkpointing = true")
    if learning.batch > 1:
        found.append(f"lower batch (now {learning.batch}) and raise accumulation as much")
    if recipe.launch.gpus > 1 and "ddp" in (recipe.launch.accelerate or ""):
        found.append("spread the weights by accelerate/fsdp2.yaml")
    if recipe.gspo is not None and stage == "gspo":
        found.append(f"lower max_completion_length (now {recipe.gspo.rollout.max_completion_length})")
    frames = recipe.frames
    found.append(
        f"lower frames.max_frames (now {frames.max_frames}) or most_pixels (now {frames.most_pixels})"
    )
    if recipe.model.tuning == "full":
        found.append('train an adapter (tuning = "lora")')
    return found
