"""The operations of the networks as single nodes of ONNX opset 24, standard domain only.

They compute nothing: in a trace they stand for the node, and outside of one they give zeros.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engines.qwen.ops import Ops


class OnnxOps(Ops):
    """RMSNormalization and RotaryEmbedding (since 23), TensorScatter and Attention (since 24).

    TensorRT reads TensorScatter as an in-place cache update and Attention as one fused layer. Masks are
    explicit: TensorRT's parser drops `nonpad_kv_seqlen` without an error, and reads `is_causal` otherwise.
    """

    def rms_norm(self, x: Tensor, weight: Tensor, *, epsilon: float) -> Tensor:
        """x / rms(x) * weight over the last axis."""
        return _node("RMSNormalization", (x, weight), 23, x.shape, x.dtype, axis=-1, epsilon=float(epsilon))

    def rotary(self, x_BHSD: Tensor, cos_BSd: Tensor, sin_BSd: Tensor) -> Tensor:
        """Rotate halves: cos and sin [B, S, D/2]."""
        return _node("RotaryEmbedding", (x_BHSD, cos_BSd, sin_BSd), 23, x_BHSD.shape, x_BHSD.dtype)

    def write(self, cache_BKMD: Tensor, new_BKSD: Tensor, at_B: Tensor) -> Tensor:
        """The cache with `new` at positions `at`, `at` + 1, ... of each row."""
        inputs = (cache_BKMD, new_BKSD, at_B)
        return _node("TensorScatter", inputs, 24, cache_BKMD.shape, cache_BKMD.dtype, axis=2, mode="linear")

    def attend(
        self, q_BHSD: Tensor, k_BKMD: Tensor, v_BKMD: Tensor, mask: Tensor | None, *, scale: float
    ) -> Tensor:
        """Attention with an explicit boolean mask."""
        assert mask is not None, "an exported graph takes every mask explicitly"
        inputs = (q_BHSD, k_BKMD, v_BKMD, mask)
        return _node("Attention", inputs, 24, q_BHSD.shape, q_BHSD.dtype, scale=float(scale))


def dequantised(weight: Tensor, scale: Tensor) -> Tensor:
    """An int8 weight [out, in] times its scale [out]: DequantizeLinear."""
    return _node("DequantizeLinear", (weight, scale), 23, weight.shape, scale.dtype, axis=0)


def _node(
    name: str,
    inputs: tuple[Tensor, ...],
    version: int,
    shape: torch.Size,
    dtype: torch.dtype,
    **attributes: Any,
) -> Tensor:
    made: Tensor = torch.onnx.ops.symbolic(
        name, inputs, attributes, dtype=dtype, shape=shape, version=version
    )
    return made
