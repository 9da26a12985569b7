"""The language half: embeddings in, the logits of each row's last token out, caches written in place.

One module for every family and every way of running it. What depends on positions (cos and sin of M-RoPE) is
computed outside, so that the module is the same at prefill and at decode. Shapes: B rows, S new tokens,
M cached positions, E hidden, K key/value heads, D of a head, L layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.qwen.ops import Ops


class Decoder(nn.Module):
    """The decoder of a loaded Qwen-VL model, over its own weights (nothing is copied).

    `language_model` is HF's text model, `head` its output layer; `num_deepstack` layers add visual features.
    """

    def __init__(self, language_model: Any, head: nn.Module, *, num_deepstack: int, ops: Ops) -> None:
        super().__init__()
        config = language_model.config
        self.model, self.head, self.ops = language_model, head, ops
        self.num_deepstack = num_deepstack
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.head_dim = getattr(config, "head_dim", None) or config.hidden_size // self.heads

    def forward(
        self,
        x_BSE: Tensor,
        cos_BSd: Tensor,
        sin_BSd: Tensor,
        at_B: Tensor,
        last_B: Tensor,
        deepstack: Sequence[Tensor],
        caches: Sequence[Tensor],
        seen: int | None = None,
    ) -> tuple[Tensor, ...]:
        """Logits [B, vocabulary] of the token at `last` of each row, and the 2 L caches [B, K, M, D].

        `at` is how many tokens of each row the caches hold already; `deepstack` are dense [B, S, E], zeros
        where no vision token stands; none at decode. Rows are padded on the right: what padding writes
        is never seen, and is overwritten by the next tokens. `seen` cuts the caches that are attended to.
        """
        mask = self._mask(at_B, x_BSE.shape[1], caches[0].shape[2])
        written: list[Tensor] = []
        for number, layer in enumerate(self.model.layers):
            x_BSE = x_BSE + self._attention(
                layer, x_BSE, cos_BSd, sin_BSd, at_B, mask, caches[2 * number : 2 * number + 2], written, seen
            )
            normed = self._norm(x_BSE, layer.post_attention_layernorm)
            x_BSE = x_BSE + layer.mlp.down_proj(
                F.silu(layer.mlp.gate_proj(normed)) * layer.mlp.up_proj(normed)
            )
            if number < min(self.num_deepstack, len(deepstack)):
                x_BSE = x_BSE + deepstack[number]
        index = last_B.view(-1, 1, 1).expand(-1, 1, x_BSE.shape[-1])
        last = torch.gather(self._norm(x_BSE, self.model.norm), 1, index).squeeze(1)
        return (self.head(last), *written)

    def _mask(self, at_B: Tensor, length: int, cached: int) -> Tensor:
        """[B, 1, S, M]: a token sees what stands at its own place and before."""
        places = at_B[:, None] + torch.arange(length, device=at_B.device)
        return torch.arange(cached, device=at_B.device) <= places[:, None, :, None]

    def _attention(
        self,
        layer: Any,
        x_BSE: Tensor,
        cos_BSd: Tensor,
        sin_BSd: Tensor,
        at_B: Tensor,
        mask: Tensor,
        cache: Sequence[Tensor],
        written: list[Tensor],
        seen: int | None,
    ) -> Tensor:
        attention, normed = layer.self_attn, self._norm(x_BSE, layer.input_layernorm)
        rows, length, _ = x_BSE.shape
        q = attention.q_proj(normed).view(rows, length, self.heads, self.head_dim)
        k = attention.k_proj(normed).view(rows, length, self.kv_heads, self.head_dim)
        v = attention.v_proj(normed).view(rows, length, self.kv_heads, self.head_dim)
        if hasattr(attention, "q_norm"):
            q, k = self._norm(q, attention.q_norm), self._norm(k, attention.k_norm)
        q = self.ops.rotary(q.transpose(1, 2), cos_BSd, sin_BSd)
        k = self.ops.rotary(k.transpose(1, 2), cos_BSd, sin_BSd)
        keys = self.ops.write(cache[0], k, at_B)
        values = self.ops.write(cache[1], v.transpose(1, 2), at_B)
        written += [keys, values]
        if seen is not None:
            keys, values, mask = keys[:, :, :seen], values[:, :, :seen], mask[..., :seen]
        out = self.ops.attend(q, keys, values, mask, scale=self.head_dim**-0.5)
        mixed: Tensor = attention.o_proj(
            out.transpose(1, 2).reshape(rows, length, self.heads * self.head_dim)
        )
        return mixed

    def _norm(self, x: Tensor, norm: Any) -> Tensor:
        return self.ops.rms_norm(x, norm.weight, epsilon=norm.variance_epsilon)
