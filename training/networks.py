"""The network that a recipe trains, known without its weights: its shapes, and its parameters counted.

Parameters are counted on the real model class, built on PyTorch's "meta" device, where a tensor has a shape
and no memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.qwen.checkpoint import SHIPPED, find_here, open_checkpoint
from engines.qwen.shapes import Shapes, shapes_of
from grounding.errors import EngineError, printable
from training.recipe import Model
from training.student import adapter

PUBLISHED = {
    "Qwen/Qwen3-VL-8B-Instruct": "qwen3-vl-8b.json",
    "Qwen/Qwen3-VL-8B-Thinking": "qwen3-vl-8b.json",
    "Qwen/Qwen2.5-VL-7B-Instruct": "qwen2.5-vl-7b.json",
}
"""Hub names whose config.json ships with Proofreel, so that a plan needs no network."""

_FOLDER = Path(__file__).parent / "published"


@dataclass(frozen=True, kw_only=True)
class Network:
    """`source` says where the config came from. Parameters: all, those that are trained, those of the largest
    layer, and of the output layer (`head`).
    """

    source: str
    shapes: Shapes
    ffn: int
    vision_ffn: int
    parameters: int
    trained: int
    largest_layer: int
    head: int
    config: Any = field(repr=False)


def network_of(model: Model) -> Network:
    """The network of the recipe's checkpoint: by its own config, or a known hub name's published one.

    Raises EngineError for a checkpoint that is neither, or is of another family.
    """
    config, source = _config(model.checkpoint)
    shapes = shapes_of(config)
    if shapes.family != model.family:
        raise EngineError(
            f"{printable(model.checkpoint)} is of family {shapes.family}, and the recipe is for "
            f"{model.family}: give another --model, or the recipe of that family"
        )
    built = built_on_meta(config, model)
    return Network(
        source=source,
        shapes=shapes,
        ffn=config.text_config.intermediate_size,
        vision_ffn=config.vision_config.intermediate_size,
        parameters=count(built),
        trained=count(built, trained=True),
        largest_layer=count(_decoder(built).layers[0]),
        head=count(built.get_output_embeddings()),
        config=config,
    )


def built_on_meta(config: Any, model: Model) -> Any:
    """The model with what the recipe trains, without memory."""
    import torch
    from transformers import AutoModelForImageTextToText

    with torch.device("meta"):
        built: Any = AutoModelForImageTextToText.from_config(config)  # type: ignore[no-untyped-call]
    if model.freeze_vision:
        built.model.visual.requires_grad_(False)
    lora = adapter(model)
    if lora is None:
        return built
    from peft import get_peft_model

    return get_peft_model(built, lora, low_cpu_mem_usage=True)


def count(module: Any, *, trained: bool = False) -> int:
    """How many parameters a module has, shared ones once."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trained)


def _decoder(built: Any) -> Any:
    base = built.get_base_model() if hasattr(built, "get_base_model") else built
    return base.model.language_model


def _config(name: str) -> tuple[Any, str]:
    from transformers import AutoConfig

    if find_here(name) is not None:
        return open_checkpoint(name).config, printable(name)
    if name in PUBLISHED:
        path = _FOLDER / PUBLISHED[name]
        return AutoConfig.from_pretrained(path), f"published config.json of {name}"
    raise EngineError(
        f"{printable(name)} is no directory here, and a plan knows no config of that name: give a directory "
        f"as --model, or one of {', '.join((*SHIPPED, *PUBLISHED))}"
    )
