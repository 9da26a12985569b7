"""A Qwen-VL model of transformers made to train faster, with the same numbers as before.

Two things in the stock vision towers cost most of a step: the patch embedding is a Conv3d, which is slow in
bfloat16 although patches don't overlap, and without flash attention every frame (in Qwen2.5-VL: every window)
is attended to in a Python loop, with a wait for the device in every layer.
Shapes: N patches, H heads, D of a head, G stretches of L patches each.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def speed_up(model: Any) -> None:
    """Change a `Qwen2_5_VLForConditionalGeneration` or `Qwen3VLForConditionalGeneration` in place.

    Only this instance is changed, and nothing that is saved of it. Its modules are still called one by one,
    so that adapters, sharding and checkpointing go on working. Applied twice it does nothing more.
    """
    visual = model.model.visual
    projection = visual.patch_embed.proj
    if isinstance(projection, nn.Conv3d):  # an adapter may have taken its place
        projection.forward = MethodType(_embed_patches, projection)  # type: ignore[method-assign]
    if visual.config._attn_implementation == "sdpa":
        groups = _Groups()
        for block in visual.blocks:
            block.attn.forward = MethodType(_attention(groups), block.attn)


def _embed_patches(projection: nn.Conv3d, pixels: Tensor) -> Tensor:
    """[N, C, T, P, P], patches as large as the kernel, to [N, E, 1, 1, 1]."""
    assert pixels.shape[2:] == projection.kernel_size
    embedded = F.linear(pixels.flatten(1), projection.weight.flatten(1), projection.bias)
    return embedded[:, :, None, None, None]


@dataclass(frozen=True, slots=True)
class _Group:
    """Stretches of one length: `index` [G, L] of their patches; None: all patches, in their order."""

    length: int
    index: Tensor | None


class _Groups:
    """The stretches of a batch by their length, worked out once for all layers that attend in them."""

    def __init__(self) -> None:
        self._known: list[tuple[Tensor, list[_Group]]] = []

    def of(self, borders: Tensor) -> list[_Group]:
        """Of the stretches from `borders[i]` to before `borders[i + 1]`."""
        for known, groups in self._known:
            if known is borders:
                return groups
        found = _grouped(borders)
        self._known = [*self._known[-1:], (borders, found)]  # Qwen2.5-VL has frames and windows
        return found


def _grouped(borders: Tensor) -> list[_Group]:
    starts = borders[:-1].long()
    lengths: list[int] = borders.diff().tolist()
    if len(set(lengths)) == 1:
        return [_Group(lengths[0], None)]
    groups = []
    for length in sorted(set(lengths) - {0}):
        chosen = torch.tensor([k for k, found in enumerate(lengths) if found == length], device=starts.device)
        groups.append(_Group(length, starts[chosen, None] + torch.arange(length, device=starts.device)))
    return groups


def _attention(groups: _Groups) -> Any:
    def forward(
        attention: Any,
        hidden_states: Tensor,
        cu_seqlens: Tensor,
        position_embeddings: tuple[Tensor, Tensor] | None = None,
        **_kwargs: Any,
    ) -> Tensor:
        """As the stock module's: [N, H x D] to the same, attended to within stretches."""
        assert position_embeddings is not None
        patches = len(hidden_states)
        qkv = attention.qkv(hidden_states).view(patches, 3, attention.num_heads, -1)
        q, k, v = qkv.unbind(1)  # [N, H, D]
        rotate = sys.modules[type(attention).__module__].apply_rotary_pos_emb_vision
        q, k = rotate(q, k, *position_embeddings)
        mixed: Tensor = attention.proj(_attend(q, k, v, groups.of(cu_seqlens)).flatten(1))
        return mixed

    return forward


def _attend(q_NHD: Tensor, k_NHD: Tensor, v_NHD: Tensor, groups: list[_Group]) -> Tensor:
    """[N, H, D], one call for all stretches of a length."""
    out = torch.empty_like(v_NHD)
    for group in groups:
        q, k, v = (
            (t if group.index is None else t[group.index.reshape(-1)])
            .view(-1, group.length, *t.shape[1:])
            .transpose(1, 2)
            for t in (q_NHD, k_NHD, v_NHD)
        )
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, *v_NHD.shape[1:])
        if group.index is None:
            return attended
        out = out.index_copy(0, group.index.reshape(-1), attended)
    return out
