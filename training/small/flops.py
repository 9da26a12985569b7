"""How much a training step computes, counted from the shapes: for model FLOP utilisation."""

from __future__ import annotations

import torch
from torch import nn

from training.small.forward import StaticForward
from training.small.shape import FEATURES, PATCH, PATCHES_A_SIDE, head_length

PEAKS = {"H100": 989e12, "H200": 989e12}
"""Dense bfloat16 FLOP/s of GPUs, by a word of their names (NVIDIA's data sheets)."""


def training_flops(forward: StaticForward, *, words: int) -> float:
    """Of one clip, forward and backward: 6 x weights x tokens, and attention. The head: over words alone."""
    text, visual = forward.text.config, forward.visual.config
    patches = PATCHES_A_SIDE**2
    looked, merged = forward.frames * patches, forward.frames * FEATURES
    length = head_length(forward.frames) + words
    matrices = (
        _weights(forward.text.layers) * length
        + forward.text.embed_tokens.weight.numel() * words
        + _weights(forward.visual.blocks) * looked
        + 3 * PATCH**2 * visual.hidden_size * looked
        + (_weights(forward.visual.merger) + _weights(forward.visual.deepstack_merger_list)) * merged
    )
    causal = text.num_hidden_layers * length**2 * text.num_attention_heads * text.head_dim
    full = 2 * visual.depth * looked * patches * visual.hidden_size
    return float(6 * (matrices + causal + full))


def peak_flops(device: torch.device) -> float | None:
    """FLOP/s that the device could do at best in bfloat16; None where it isn't known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for word, peak in PEAKS.items() if word in name), None)


def _weights(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.ndim == 2)
