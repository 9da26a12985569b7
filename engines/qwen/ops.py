"""The four operations of the networks that an exported graph has as single nodes.

`Ops` computes them in PyTorch; `export` has a twin that writes the ONNX node instead. The networks in
`vision` and `decoder` are written once, on either. Shapes: B rows, H heads, K key/value heads, S new tokens,
M cached positions, D of a head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_MOST_GROUPED = 64
"""Up to so many queries a key/value head are attended in one go; more, and the keys are repeated instead."""


class Ops:
    """PyTorch, with the numerics of the reference models: norms in float32, the rest in the model's type."""

    def rms_norm(self, x: Tensor, weight: Tensor, *, epsilon: float) -> Tensor:
        """x / rms(x) * weight over the last axis."""
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)
        return weight * wide.to(x.dtype)

    def rotary(self, x_BHSD: Tensor, cos_BSd: Tensor, sin_BSd: Tensor) -> Tensor:
        """Rotate halves: cos and sin [B, S, D/2]."""
        first, second = x_BHSD.chunk(2, dim=-1)
        cos, sin = cos_BSd[:, None], sin_BSd[:, None]
        return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)

    def write(self, cache_BKMD: Tensor, new_BKSD: Tensor, at_B: Tensor) -> Tensor:
        """The cache with `new` at positions `at`, `at` + 1, ... of each row: written in place."""
        rows, heads, length, width = new_BKSD.shape
        places = at_B[:, None] + torch.arange(length, device=at_B.device)
        index = places[:, None, :, None].expand(rows, heads, length, width)
        return cache_BKMD.scatter_(2, index, new_BKSD)

    def attend(
        self, q_BHSD: Tensor, k_BKMD: Tensor, v_BKMD: Tensor, mask: Tensor | None, *, scale: float
    ) -> Tensor:
        """Attention with an explicit boolean mask, broadcastable to [B, 1, S, M]; None: all is seen."""
        group = q_BHSD.shape[1] // k_BKMD.shape[1]
        if q_BHSD.is_cuda:  # its kernels take shared heads as they are
            return F.scaled_dot_product_attention(
                q_BHSD, k_BKMD, v_BKMD, attn_mask=mask, scale=scale, enable_gqa=group > 1
            )
        if group > 1 and group * q_BHSD.shape[2] <= _MOST_GROUPED:
            return self._grouped(q_BHSD, k_BKMD, v_BKMD, mask, scale=scale)
        if group > 1:
            k_BKMD, v_BKMD = k_BKMD.repeat_interleave(group, 1), v_BKMD.repeat_interleave(group, 1)
        return F.scaled_dot_product_attention(q_BHSD, k_BKMD, v_BKMD, attn_mask=mask, scale=scale)

    def _grouped(
        self, q_BHSD: Tensor, k_BKMD: Tensor, v_BKMD: Tensor, mask: Tensor | None, *, scale: float
    ) -> Tensor:
        """The queries that share a key/value head, as more queries of that head: no key is read twice."""
        rows, heads, length, width = q_BHSD.shape
        shared = k_BKMD.shape[1]
        group = heads // shared
        q = q_BHSD.reshape(rows, shared, group * length, width)
        if mask is not None:
            mask = mask.expand(-1, -1, length, -1).repeat(1, 1, group, 1)
        out = F.scaled_dot_product_attention(q, k_BKMD, v_BKMD, attn_mask=mask, scale=scale)
        return out.reshape(rows, heads, length, width)
