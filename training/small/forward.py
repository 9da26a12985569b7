"""The small model's forward in static shapes: the stock modules, driven without a host sync.

Equal to `Qwen3VLForConditionalGeneration.forward` for prompts of the "stamped" layout, whose frames are all
of one size: where every token stands is known before, so that the whole is one graph for torch.compile.

A clip may show fewer frames than its shape has room for. Its words then follow its last frame at once, at the
positions that they have after so many, and what is left of its row lies behind them, where causal attention
never looks: no mask is needed, and attention takes the same kernel.

Shapes: B clips, T frames, N = B x T frames, P patches a frame, F features a frame, S tokens, E hidden,
H query heads, K key/value heads, D of a head. `shown_B` int64: how many frames, 1 to T, each clip shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.qwen.prompt import Picture, Piece, Rotary, Words, prompt_of
from engines.qwen.shapes import Shapes, shapes_of
from training.small.shape import (
    AFTER,
    BEFORE,
    FEATURES,
    FEATURES_A_SIDE,
    MERGE,
    PATCH,
    PATCHES_A_SIDE,
    STRIDE,
    head_length,
)

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""Attention of layer `i`: queries [B, H, S, D], keys and values [B, K, S, D] to [B, H, S, D]."""
Rope = tuple[Tensor, Tensor]
"""cos and sin [..., S, D / 2]."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Features of a clip's frames [B, T, F, E], and one more tensor alike for each DeepStack layer."""

    features: Tensor
    deep: tuple[Tensor, ...]


def attend_before(q_BHSD: Tensor, k_BKSD: Tensor, v_BKSD: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention over the sequence itself: causal, or by a mask [B, 1, S, S] of what is seen."""
    if mask is None:
        return F.scaled_dot_product_attention(q_BHSD, k_BKSD, v_BKSD, is_causal=True, enable_gqa=True)
    # The kernels that take a mask take no shared heads.
    k, v = (t.repeat_interleave(q_BHSD.shape[1] // t.shape[1], dim=1) for t in (k_BKSD, v_BKSD))
    return F.scaled_dot_product_attention(q_BHSD, k, v, attn_mask=mask)


class StaticForward:
    """Drives `model` (on its device) on clips of `frames` frames and at most `words` tokens after them.

    `stream` is the type of the residual stream; None: as the stock model has it, float32 under autocast.
    """

    def __init__(self, model: Any, *, frames: int, words: int, stream: torch.dtype | None = None) -> None:
        self.model, self.frames, self.head = model, frames, head_length(frames)
        self._stream_type = stream
        self.visual, self.text = model.model.visual, model.model.language_model
        self._vision_block, self._text_layer = vision_block, text_layer
        device = model.device
        order = _square_order().to(device)
        self._patch_index = order[:, 0] * PATCHES_A_SIDE + order[:, 1]
        shapes = shapes_of(model.config)
        self._vision_rope = _vision_rope(order, shapes)
        positions_3TS = torch.stack(
            [
                _positions(shapes, frames=shown, words=self.head + words - head_length(shown))
                for shown in range(1, frames + 1)
            ],
            dim=1,
        )
        rotary = Rotary(shapes.text, device=device, dtype=torch.float32)
        self._rope_by_shown = rotary.at(positions_3TS.to(device))
        self.rope: Rope = (self._rope_by_shown[0][-1], self._rope_by_shown[1][-1])

    def see(self, frames_BTCHW: Tensor) -> Seen:
        """Look at frames: uint8, RGB."""
        clips = frames_BTCHW.shape[0]
        proj = self.visual.patch_embed.proj
        # Conv3d over patches that don't overlap is a product, and in bfloat16 far slower than one.
        x = F.linear(_patches(frames_BTCHW), proj.weight.flatten(1), proj.bias)
        x = self._stream(x + self.visual.pos_embed.weight[self._patch_index])
        deep = []
        for number, block in enumerate(self.visual.blocks):
            x = self._vision_block(block, x, *self._vision_rope)
            if number in self.visual.deepstack_visual_indexes:
                place = self.visual.deepstack_visual_indexes.index(number)
                deep.append(self._merged(self.visual.deepstack_merger_list[place], x, clips))
        return Seen(self._merged(self.visual.merger, x, clips), tuple(deep))

    def embed(
        self, ids_BS: Tensor, seen: Seen, *, shown_B: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Embeddings [B, S, E] with the features in their places, and what each first layer adds to them."""
        words = self.text.embed_tokens(ids_BS)
        clips, length = ids_BS.shape
        own = words[:, : self.head].view(clips, self.frames, STRIDE, -1)
        features = seen.features.to(words.dtype)
        head = torch.cat([own[:, :, :BEFORE], features, own[:, :, -AFTER:]], dim=2)
        deep = [F.pad(d, (0, 0, BEFORE, AFTER)) for d in seen.deep]
        if shown_B is not None:
            is_shown = self._is_shown(shown_B)
            head = torch.where(is_shown, head, own)
            deep = [torch.where(is_shown, d, 0.0) for d in deep]
        behind = (0, 0, 0, length - self.head)
        added = [F.pad(d.flatten(1, 2), behind) for d in deep]
        return self._stream(torch.cat([head.flatten(1, 2), words[:, self.head :]], dim=1)), added

    def layers(self, x_BSE: Tensor, *, rope: Rope, added: list[Tensor], mask: Tensor | None = None) -> Tensor:
        """The decoder's layers and its last norm: hidden states [B, S, E]. No mask: causal."""
        for number, layer in enumerate(self.text.layers):
            x_BSE = self._text_layer(layer, x_BSE, *rope, mask)
            if number < len(added):
                x_BSE = x_BSE + added[number]
        hidden: Tensor = self.text.norm(x_BSE)
        return hidden

    def layers_attending(
        self, x_BSE: Tensor, *, rope: Rope, attend: Attend, added: Sequence[Tensor] = ()
    ) -> Tensor:
        """The same with attention of one's own, over caches for instance."""
        for number, layer in enumerate(self.text.layers):
            x_BSE = attended(layer, x_BSE, rope, partial(attend, number))
            if number < len(added):
                x_BSE = x_BSE + added[number]
        hidden: Tensor = self.text.norm(x_BSE)
        return hidden

    def compile_parts(self) -> None:
        """Compile what a block and a layer do, once for all of their kind: a shape then costs far less."""
        self._vision_block = torch.compile(vision_block, dynamic=False)
        self._text_layer = torch.compile(text_layer, dynamic=False)

    def read(self, ids_BS: Tensor, seen: Seen, *, shown_B: Tensor | None = None) -> Tensor:
        """Hidden states [B, S, E] of prompts with all their words. No `shown_B`: all show all frames.

        Those behind the words of a clip that shows fewer mean nothing.
        """
        x, added = self.embed(ids_BS, seen, shown_B=shown_B)
        length = ids_BS.shape[1]
        rope = self.rope_of(0, length) if shown_B is None else self.rope_of_rows(shown_B, length)
        return self.layers(x, rope=rope, added=added)

    def logits(self, hidden: Tensor) -> Tensor:
        """[..., vocabulary] of hidden states [..., E]."""
        return F.linear(hidden, self.model.lm_head.weight)

    def rope_of(self, start: int, stop: int) -> Rope:
        """Of the tokens from `start` to before `stop`."""
        return self.rope[0][start:stop], self.rope[1][start:stop]

    def rope_of_rows(self, shown_B: Tensor, length: int) -> Rope:
        """[B, 1, `length`, D / 2] of the first tokens of each row."""
        cos, sin = (table[shown_B - 1, None, :length] for table in self._rope_by_shown)
        return cos, sin

    def _is_shown(self, shown_B: Tensor) -> Tensor:
        """[B, T, 1, 1] which frames each clip shows."""
        number = torch.arange(self.frames, device=shown_B.device)
        return (number < shown_B[:, None])[:, :, None, None]

    def _stream(self, x: Tensor) -> Tensor:
        return x if self._stream_type is None else x.to(self._stream_type)

    def _merged(self, merger: Any, x_NPE: Tensor, clips: int) -> Tensor:
        merged: Tensor = merger(x_NPE.flatten(0, 1))
        return merged.view(clips, self.frames, FEATURES, -1)


def vision_block(block: Any, x_NPE: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """One block of the vision tower; attention stays within a frame."""
    attention = block.attn
    frames, patches, width = x_NPE.shape
    qkv = attention.qkv(block.norm1(x_NPE)).view(frames, patches, 3, attention.num_heads, -1)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    out = F.scaled_dot_product_attention(turned(q, (cos, sin)), turned(k, (cos, sin)), v)
    x_NPE = x_NPE + attention.proj(out.transpose(1, 2).reshape(frames, patches, width))
    seen: Tensor = x_NPE + block.mlp(block.norm2(x_NPE))
    return seen


def text_layer(layer: Any, x_BSE: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
    """One layer of the decoder over the whole sequence."""
    return attended(layer, x_BSE, (cos, sin), partial(attend_before, mask=mask))


def attended(
    layer: Any, x_BSE: Tensor, rope: Rope, attend: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> Tensor:
    """One layer of the decoder."""
    attention = layer.self_attn
    rows, length, _ = x_BSE.shape
    heads = (rows, length, -1, attention.head_dim)
    normed = layer.input_layernorm(x_BSE)
    q = attention.q_norm(attention.q_proj(normed).view(heads))
    k = attention.k_norm(attention.k_proj(normed).view(heads))
    v = attention.v_proj(normed).view(heads).transpose(1, 2)
    q, k = (turned(t.transpose(1, 2), rope).to(v.dtype) for t in (q, k))
    x_BSE = x_BSE + attention.o_proj(attend(q, k, v).transpose(1, 2).reshape(rows, length, -1))
    read: Tensor = x_BSE + layer.mlp(layer.post_attention_layernorm(x_BSE))
    return read


def turned(x: Tensor, rope: Rope) -> Tensor:
    """Rotary positions put on [..., S, D], computed in float32, as the vision tower does."""
    cos, sin = rope
    first, second = x.float().chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1).to(x.dtype)


def _square_order() -> Tensor:
    """[P, 2] row and column of a frame's patches, merge x merge square by square."""
    side = torch.arange(PATCHES_A_SIDE)
    grid = torch.stack(torch.meshgrid(side, side, indexing="ij"), dim=-1)
    squares = grid.view(FEATURES_A_SIDE, MERGE, FEATURES_A_SIDE, MERGE, 2)
    return squares.transpose(1, 2).reshape(-1, 2)


def _patches(frames_BTCHW: Tensor) -> Tensor:
    """Pixels 0..255 as -1..1, flattened patch by patch: [N, P, C x PATCH x PATCH]."""
    clips, frames, channels = frames_BTCHW.shape[:3]
    side = FEATURES_A_SIDE
    x = frames_BTCHW.reshape(clips * frames, channels, side, MERGE, PATCH, side, MERGE, PATCH)
    x = x.permute(0, 2, 5, 3, 6, 1, 4, 7).reshape(clips * frames, PATCHES_A_SIDE**2, -1)
    return x.float() / 127.5 - 1.0


def _vision_rope(order_P2: Tensor, shapes: Shapes) -> Rope:
    """[P, D / 2]: the first half of the angles by row, the second by column."""
    half = shapes.vision.head_dim // 2
    exponents = torch.arange(0, half, 2, device=order_P2.device).float() / half
    angles = (order_P2[:, :, None].float() / shapes.vision.rope_theta**exponents).flatten(1)
    return angles.cos(), angles.sin()


def _positions(shapes: Shapes, *, frames: int, words: int) -> Tensor:
    """[3, S] M-RoPE positions of the frames and of `words` tokens after them."""
    frame: list[Piece] = [
        Words((0,) * BEFORE),
        Picture(grid=(1, PATCHES_A_SIDE, PATCHES_A_SIDE), token=shapes.image_token),
        Words((0,) * AFTER),
    ]
    return prompt_of([*frame * frames, Words((0,) * words)], shapes).positions
