"""The seeing half: patches of any mix of frame sizes in, one feature for each merged square of patches out.

Attention runs within a frame, in Qwen2.5-VL mostly within a window of one. These stretches are gathered into
a padded batch, attended with a mask, and scattered back, so that one graph takes every mix of sizes.
Shapes: N patches, G stretches of at most L patches, F = N / merge^2 features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engines.qwen.ops import Ops
from engines.qwen.shapes import Shapes

Grid = tuple[int, int, int]
"""Temporal patches, rows and columns of patches of one picture or video."""


@dataclass(frozen=True, slots=True)
class Stretches:
    """Which patches attend to each other: `index` [G, L], `mask` [G, 1, 1, L] (None: no padding), and where
    each patch stands in the flattened batch: `back` [N].
    """

    index: Tensor
    mask: Tensor | None
    back: Tensor

    def explicit(self) -> Tensor:
        """The mask as the graphs take it: [G, 1, L, L]."""
        mask = self.mask
        if mask is None:
            shape = (len(self.index), 1, 1, self.index.shape[1])
            mask = torch.ones(shape, dtype=torch.bool, device=self.index.device)
        return mask.expand(-1, 1, self.index.shape[1], -1).contiguous()


@dataclass(frozen=True, slots=True)
class VisionPlan:
    """All that the tower needs to know of a list of grids; no pixel is in it.

    `cos`, `sin` [N, head_dim / 2]. Qwen2.5-VL has `windows`, Qwen3-VL `position_index` and `position_weight`
    [N, 4], by which its learned positions are stretched to the grid.
    """

    cos: Tensor
    sin: Tensor
    frames: Stretches
    windows: Stretches | None = None
    position_index: Tensor | None = None
    position_weight: Tensor | None = None

    def to(self, device: torch.device | str, dtype: torch.dtype) -> VisionPlan:
        """The plan on a device; numbers that meet features take their type."""

        def moved(x: Any) -> Any:
            if isinstance(x, Stretches):
                return Stretches(moved(x.index), moved(x.mask), moved(x.back))
            if isinstance(x, Tensor):
                return x.to(device, dtype if x.is_floating_point() else x.dtype)
            return x

        return VisionPlan(*(moved(getattr(self, name)) for name in VisionPlan.__slots__))


def vision_plan(grids: Sequence[Grid], shapes: Shapes) -> VisionPlan:
    """The plan for pictures of these grids, in order, computed on the CPU by HF's own grid functions."""
    from transformers.vision_utils import (
        get_vision_cu_seqlens,
        get_vision_interpolation_indices_and_weights,
        get_vision_position_ids,
        get_vision_window_index,
    )

    vision, table = shapes.vision, torch.tensor(grids)
    cos, sin = _rotary(get_vision_position_ids(table, vision.merge), shapes)
    frames = _stretches(get_vision_cu_seqlens(table))
    if shapes.family == "qwen3_vl":
        index, weight = get_vision_interpolation_indices_and_weights(
            table,
            num_grid_per_side=vision.positions,
            mode="bilinear",
            align_corners=True,
            spatial_merge_size=vision.merge,
        )
        return VisionPlan(cos, sin, frames, position_index=index, position_weight=weight)
    order, borders = get_vision_window_index(table, vision.merge, vision.window, vision.patch)
    square = vision.merge**2
    patches = (order[:, None] * square + torch.arange(square)).reshape(-1)
    return VisionPlan(cos, sin, frames, windows=_stretches(borders, patches))


def _rotary(places_N2: Tensor, shapes: Shapes) -> tuple[Tensor, Tensor]:
    half = shapes.vision.head_dim // 2
    inverse = 1.0 / (shapes.vision.rope_theta ** (torch.arange(0, half, 2).float() / half))
    angles = (places_N2[:, :, None].float() * inverse).flatten(1)
    return angles.cos(), angles.sin()


def _stretches(borders: Tensor, order: Tensor | None = None) -> Stretches:
    """Stretches [borders[i], borders[i+1]) of the patches (in `order`, if given), padded to the longest."""
    starts, lengths = borders[:-1].long(), borders.diff().long()
    longest = int(lengths.max())
    within = torch.arange(longest)
    mask = within < lengths[:, None]
    places = torch.where(mask, starts[:, None] + within, 0)
    index = torch.where(mask, places if order is None else order[places], 0)
    back = torch.empty(int(borders[-1]), dtype=torch.long)
    back[index[mask]] = torch.arange(mask.numel()).view_as(mask)[mask]
    return Stretches(index, None if bool(mask.all()) else mask[:, None, None], back)


class VisionTower(nn.Module):
    """The vision tower of a loaded Qwen-VL model, over its own weights (nothing is copied)."""

    def __init__(self, visual: Any, *, ops: Ops) -> None:
        super().__init__()
        config = visual.config
        self.visual, self.ops = visual, ops
        self.heads, self.head_dim = config.num_heads, config.hidden_size // config.num_heads
        self.deepstack = list(getattr(config, "deepstack_visual_indexes", None) or ())
        self.full = set(getattr(config, "fullatt_block_indexes", range(config.depth)))

    def forward(
        self,
        patches: Tensor,
        cos: Tensor,
        sin: Tensor,
        frames: tuple[Tensor, Tensor | None, Tensor],
        windows: tuple[Tensor, Tensor | None, Tensor] | None,
        positions: tuple[Tensor, Tensor] | None,
    ) -> tuple[Tensor, ...]:
        """Features [F, E], then one [F, E] a DeepStack layer. Stretches are (index, mask, back)."""
        visual = self.visual
        projection = visual.patch_embed.proj
        # Conv3d over patches that don't overlap is a product, and in bfloat16 far slower than one.
        x = F.linear(patches, projection.weight.flatten(1), projection.bias)
        if positions is not None:
            index, weight = positions
            x = x + (visual.pos_embed(index) * weight[:, :, None]).sum(1)
        deep = []
        for number, block in enumerate(visual.blocks):
            stretches = frames if number in self.full or windows is None else windows
            x = x + self._attention(block.attn, self._norm(x, block.norm1), cos, sin, stretches)
            x = x + block.mlp(self._norm(x, block.norm2))
            if number in self.deepstack:
                deep.append(visual.deepstack_merger_list[self.deepstack.index(number)](x))
        return (self._merge(x), *deep)

    def _merge(self, x: Tensor) -> Tensor:
        merger = self.visual.merger
        merged: Tensor
        if hasattr(merger, "ln_q"):
            merged = merger.mlp(self._norm(x, merger.ln_q).view(-1, merger.hidden_size))
        else:
            merged = merger(x)
        return merged

    def _attention(
        self,
        attention: Any,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        stretches: tuple[Tensor, Tensor | None, Tensor],
    ) -> Tensor:
        index, mask, back = stretches
        count, (num, longest) = x.shape[0], index.shape
        q, k, v = attention.qkv(x).view(count, 3, self.heads, self.head_dim).unbind(1)
        q, k = (
            self.ops.rotary(t.transpose(0, 1)[None], cos[None], sin[None])[0].transpose(0, 1) for t in (q, k)
        )

        def gathered(t: Tensor) -> Tensor:
            return t[index.reshape(-1)].view(num, longest, self.heads, self.head_dim).transpose(1, 2)

        out = self.ops.attend(gathered(q), gathered(k), gathered(v), mask, scale=self.head_dim**-0.5)
        mixed: Tensor = attention.proj(out.transpose(1, 2).reshape(num * longest, -1)[back])
        return mixed

    def _norm(self, x: Tensor, norm: Any) -> Tensor:
        if isinstance(norm, nn.LayerNorm):
            normed: Tensor = norm(x)
            return normed
        return self.ops.rms_norm(x, norm.weight, epsilon=norm.variance_epsilon)
