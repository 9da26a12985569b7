"""The model that is trained: a checkpoint's weights, all of them or an adapter on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engines.qwen.checkpoint import OWN_SECTION, Checkpoint, load_weights, open_checkpoint
from grounding.errors import EngineError, printable
from training.fast import speed_up
from training.lessons import Teacher
from training.recipe import Model

DTYPES = {"bf16": "bfloat16", "fp32": "float32"}


def open_student(model: Model, *, name: str | None = None) -> Checkpoint:
    """Look through the checkpoint, or that of `name`.

    Raises EngineError where it isn't of the recipe's family.
    """
    checkpoint = open_checkpoint(name or model.checkpoint)
    if checkpoint.shapes.family != model.family:
        raise EngineError(
            f"checkpoint {printable(checkpoint.path)} is of family {checkpoint.shapes.family}, and the "
            f"recipe is for {model.family}: give another --model, or the recipe of that family"
        )
    return checkpoint


def load_student(checkpoint: Checkpoint, model: Model, teacher: Teacher) -> Any:
    """The model: what is to be trained asks for gradients; its config says what it was trained on, and keeps
    what else the checkpoint's own says to engines.
    """
    # Full tuning changes weights by less than bfloat16 can hold; the trainer computes in it all the same.
    frozen = model.tuning == "lora"
    student = load_weights(checkpoint, dtype=DTYPES[model.dtype] if frozen else "float32")
    speed_up(student)
    setattr(student.config, OWN_SECTION, {**checkpoint.own, **own_section(teacher)})
    if model.freeze_vision:
        student.model.visual.requires_grad_(False)
    return student


def own_section(teacher: Teacher) -> dict[str, str | int | float]:
    """What a checkpoint's config says to engines: the layout and the frames that it was trained on."""
    frames = teacher.frames
    return {
        "layout": teacher.layout.name,
        "rate_hz": frames.rate_hz,
        "max_frames": frames.max_frames,
        "max_side": frames.max_side,
        "least_pixels": frames.least_pixels,
        "most_pixels": frames.most_pixels,
    }


def adapter(model: Model) -> Any:
    """PEFT's config of the recipe's adapter, or None for full tuning; the vision tower keeps its weights."""
    if model.tuning == "full":
        return None
    from peft import LoraConfig

    own = model.lora
    return LoraConfig(
        r=own.rank,
        lora_alpha=own.alpha,
        lora_dropout=own.dropout,
        target_modules=rf".*language_model.*\.({'|'.join(own.targets)})",
        task_type="CAUSAL_LM",
    )


def save_whole(trainer: Any, folder: Path, *, dtype: str) -> None:
    """A checkpoint that engines open, its weights in `dtype`; every process takes part, the first one writes.

    An adapter is merged in, where each process holds all of the model; where it is spread over several, the
    adapter alone is saved.
    """
    import torch

    spread = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
    student = trainer.accelerator.unwrap_model(trainer.model)
    if trainer.is_fsdp_enabled:
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    if hasattr(student, "merge_and_unload"):
        if spread:
            trainer.save_model(str(folder))
            return
        student = student.merge_and_unload()
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped) if spread else student.state_dict()
    if trainer.is_world_process_zero():
        student.config.dtype = getattr(torch, dtype)
        student.save_pretrained(
            folder, state_dict={k: w.to(student.config.dtype) for k, w in weights.items()}
        )
        trainer.processing_class.save_pretrained(str(folder))
    trainer.accelerator.wait_for_everyone()
