"""Weights in 8 bits: each Linear of a decoder keeps an int8 matrix and one scale a row.

Symmetric, by the largest absolute value of each output row; what is computed with stays floating point. The
graph says so with DequantizeLinear, which onnxruntime and TensorRT both read.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from export.ops import dequantised


class QuantizedLinear(nn.Module):
    """A Linear as an exported graph has it: its weight int8 [out, in], with a scale [out] in its own type."""

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach()
        scale, rounded = quantized(weight)
        self.register_buffer("weight", rounded)
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, dequantised(self.weight, self.scale), self.bias)


def quantized(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The scale [out] of each row of a weight [out, in], and the row in its steps, -127 to 127.

    Steps are counted in the scale as it is kept, so that its rounding costs no accuracy.
    """
    wide = weight.float()
    scale = (wide.abs().amax(dim=1) / 127.0).to(weight.dtype)
    smallest = torch.finfo(weight.dtype).tiny  # a row of zeros
    scale = scale.clamp_min(smallest)
    return scale, torch.round(wide / scale.float()[:, None]).clamp(-127, 127).to(torch.int8)


def quantize_linears(decoder: nn.Module) -> None:
    """Replace every Linear inside `decoder`, one at a time, so that no second copy is held.

    The vision tower stays as it is: it is small, and 8 bits cost it more than they save.
    """
    found = [
        (parent, name, child)
        for parent in decoder.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Linear)
    ]
    for parent, name, child in found:
        setattr(parent, name, QuantizedLinear(child))
