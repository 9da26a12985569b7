"""`--engine transformers`: a Qwen-VL checkpoint run by PyTorch, the reference for every export."""

from __future__ import annotations

from typing import Literal

import torch

from engines.qwen.checkpoint import load_model, open_checkpoint, source_hash
from engines.qwen.engine import QwenEngine
from engines.qwen.settings import QwenSettings
from engines.qwen.torch_runtime import TorchRuntime
from engines.qwen.words import Words
from grounding.errors import EngineError
from grounding.prompts import PROOFREEL, PromptSet

DType = Literal["float32", "float16", "bfloat16"]


def load(
    model: str,
    *,
    dtype: DType | None = None,
    device: str | None = None,
    max_length: int | None = None,
    settings: QwenSettings | None = None,
    prompts: PromptSet = PROOFREEL,
) -> QwenEngine:
    """The engine of a checkpoint (a directory or a hub name).

    `device` is the GPU where there is one; `dtype` bfloat16 there and float32 on a CPU, unless given.
    `max_length` caps a row's tokens below what the checkpoint was made for. Raises EngineError for a
    checkpoint that can't be used, or a device that isn't there.
    """
    checkpoint = open_checkpoint(model)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise EngineError(f"device {device!r} was asked for, and PyTorch sees no GPU here; use cpu")
    dtype = dtype or ("bfloat16" if device.startswith("cuda") else "float32")
    try:
        own = (settings or QwenSettings()).of_checkpoint(checkpoint.own)
    except ValueError as error:
        raise EngineError(f"checkpoint {checkpoint.path}: config.json, section proofreel: {error}") from error
    words = Words(checkpoint.path)
    most = checkpoint.shapes.text.max_positions
    runtime = TorchRuntime(
        load_model(checkpoint, dtype=dtype, device=device),
        checkpoint.shapes,
        max_length=most if max_length is None else min(max_length, most),
    )
    return QwenEngine(
        runtime,
        name="transformers",
        source=source_hash(checkpoint),
        words=words,
        layout=checkpoint.layout,
        normalisation=checkpoint.normalisation,
        stops=checkpoint.stops,
        settings=own,
        prompts=prompts,
    )
