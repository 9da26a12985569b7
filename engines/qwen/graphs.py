"""Names and order of what the exported graphs take and give: `export` writes them, the engines bind them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engines.qwen.shapes import Shapes
from engines.qwen.vision import Grid, VisionPlan, vision_plan

STRETCHES = ("index", "mask", "back")


def vision_inputs(shapes: Shapes) -> list[str]:
    """The inputs of the vision graph, in order."""
    names = ["patches", "cos", "sin", *(f"frame_{part}" for part in STRETCHES)]
    if shapes.family == "qwen3_vl":
        return [*names, "position_index", "position_weight"]
    return [*names, *(f"window_{part}" for part in STRETCHES)]


def vision_outputs(shapes: Shapes) -> list[str]:
    """The outputs of the vision graph: features, then one for each DeepStack layer."""
    return ["features", *decoder_deepstack(shapes)]


def decoder_caches(shapes: Shapes) -> list[str]:
    """The caches, keys and values in turn, layer by layer; an output has `_out` behind its name."""
    return [f"{kind}_cache_{layer}" for layer in range(shapes.text.layers) for kind in ("k", "v")]


def decoder_deepstack(shapes: Shapes) -> list[str]:
    """The inputs that add visual features to the first layers."""
    return [f"deepstack_{number}" for number in range(len(shapes.vision.deepstack))]


def decoder_inputs(shapes: Shapes) -> list[str]:
    """The inputs of the decoder graph, in order."""
    plain = ["inputs_embeds", "cos", "sin", "write_index", "last"]
    return [*plain, *decoder_deepstack(shapes), *decoder_caches(shapes)]


def decoder_outputs(shapes: Shapes) -> list[str]:
    """The outputs of the decoder graph: logits of each row's last token, then every cache."""
    return ["logits", *(f"{name}_out" for name in decoder_caches(shapes))]


def plan_tensors(plan: VisionPlan) -> list[Tensor]:
    """What the vision graph takes of a plan, in the order of `vision_inputs`, patches aside."""
    tensors = [plan.cos, plan.sin, plan.frames.index, plan.frames.explicit(), plan.frames.back]
    if plan.windows is not None:
        return [*tensors, plan.windows.index, plan.windows.explicit(), plan.windows.back]
    assert plan.position_index is not None and plan.position_weight is not None
    return [*tensors, plan.position_index, plan.position_weight]


def vision_feed(
    patches: Tensor, grids: Sequence[Grid], shapes: Shapes, *, device: torch.device, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Every input of the vision graph for these pictures, by name, on a device."""
    plan = vision_plan(grids, shapes).to(device, dtype)
    pixels = patches.to(device, dtype)
    tensors = [pixels, *plan_tensors(plan)]
    return {name: t.contiguous() for name, t in zip(vision_inputs(shapes), tensors, strict=True)}
