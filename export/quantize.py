"""Weights in 8 bits: each Linear of a decoder keeps an int8 matrix and one scale a row.

Symmetric, by the largest absolute value of each output row; what is computed with stays floating point. The
graph says so with DequantizeLinear, which onnxruntime and TensorRT both read.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export.ops import dequantised


class QuantizedLinear(nn.Module):
    """A Linear whose weight is int8 [out, in] with a scale [out]; `eager` computes it in PyTorch instead."""

    def __init__(self, linear: nn.Linear, *, eager: bool) -> None:
        super().__init__()
        weight = linear.weight.detach()
        scale = weight.float().abs().amax(dim=1).clamp_min(1e-8) / 127.0
        rounded = torch.round(weight.float() / scale[:, None]).clamp(-127, 127).to(torch.int8)
        self.eager = eager
        self.register_buffer("weight", rounded)
        self.register_buffer("scale", scale.to(weight.dtype))
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        weight, scale = self.weight, self.scale
        assert isinstance(weight, Tensor) and isinstance(scale, Tensor)
        wide = weight.to(scale.dtype) * scale[:, None] if self.eager else dequantised(weight, scale)
        return F.linear(x, wide, self.bias)


def quantize_linears(decoder: nn.Module, *, eager: bool) -> int:
    """Replace every Linear inside `decoder`, one at a time, so that no second copy is held; their number.

    The vision tower stays as it is: it is small, and 8 bits cost it more than they save.
    """
    found = [
        (parent, name, child)
        for parent in decoder.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Linear)
    ]
    for parent, name, child in found:
        setattr(parent, name, QuantizedLinear(child, eager=eager))
    return len(found)


def quantized_twin(model: Any) -> Any:
    """The same HF model with its decoder's Linears in 8 bits, computed by PyTorch: what a graph is held against."""
    quantize_linears(model.model.language_model, eager=True)
    model.lm_head = QuantizedLinear(model.lm_head, eager=True)
    return model
