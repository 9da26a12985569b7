"""Answers written in batches: a prompt is read once, however many answers are drawn for it.

All sizes are fixed when a `Writer` is made, so that its caches are taken once and, on a GPU, a step is one
captured graph. Shapes: P prompts, C copies of each, R = P x C rows, S tokens of a prompt, M of a cache,
W tokens of an answer at most, K key/value heads, G query heads a key/value head, D of a head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from training.small.device import autocast
from training.small.forward import StaticForward, attend_before
from training.small.sampling import chosen, forbidding, logprobs
from training.small.shape import TokenIds

CHECK_EVERY = 8
"""Steps after which it is looked at whether all rows are done: a look waits for the device."""

ALIGNED = 8
"""The kernels want masks whose rows are multiples of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """Questions up to where their answers begin: `ids` [P, S] padded on the right, `lengths` [P] tokens."""

    ids: Tensor = field(repr=False)
    lengths: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Answers `ids` [R, W], copies of a prompt side by side, each to its end token and padded after it; and
    the log-probability of each token under what it was drawn from. `mask` is true of an answer's tokens, and
    `drawn` of those that chance had a part in.
    """

    ids: Tensor = field(repr=False)
    logprob: Tensor = field(repr=False)
    mask: Tensor = field(repr=False)
    drawn: Tensor = field(repr=False)


class Writer:
    """Writes answers of at most `longest` tokens to `prompts` prompts of `length` tokens, `copies` each."""

    def __init__(
        self,
        forward: StaticForward,
        *,
        tokens: TokenIds,
        prompts: int,
        length: int,
        copies: int,
        longest: int,
        capture: bool,
    ) -> None:
        self._forward, self._tokens = forward, tokens
        self._copies, self._longest, self._length = copies, longest, length
        config, device = forward.text.config, forward.model.device
        rows, cached = prompts * copies, -(-(length + longest) // ALIGNED) * ALIGNED
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        shape = (config.num_hidden_layers, 2, rows, config.num_key_value_heads, cached, config.head_dim)
        self._caches = torch.zeros(shape, dtype=dtype, device=device)
        self._bias = forbidding(tokens, device)
        self._rows = torch.arange(rows, device=device)
        self._places = torch.arange(cached, device=device)
        self._token = torch.zeros(rows, dtype=torch.long, device=device)
        self._at = torch.zeros(rows, dtype=torch.long, device=device)
        self._capture = capture and device.type == "cuda"
        self._step: Callable[[], Tensor] | None = None

    @torch.no_grad()
    def write(
        self,
        prompts: Prompts,
        frames: Tensor,
        *,
        temperature: float,
        generator: torch.Generator | None,
        draw_boxes: bool = True,
    ) -> Written:
        """Answers to the prompts about `frames` [P, T, 3, 128, 128] uint8.

        Without `draw_boxes` what stands in boxes is the likeliest, at any temperature.
        """
        logits = self._read(prompts, frames)
        done = torch.zeros_like(self._rows, dtype=torch.bool)
        certain = torch.full_like(done, temperature == 0)
        ids, found, mask, drawn = [], [], [], []
        for number in range(self._longest):
            logprob = logprobs(logits, bias_V=self._bias, temperature=temperature)
            token = chosen(logprob, temperature=temperature, generator=generator)
            if not draw_boxes:
                token = torch.where(certain, logprob.argmax(dim=-1), token)
            mask.append(~done)
            drawn.append(~done & ~certain)
            ids.append(torch.where(done, self._tokens.pad, token))
            found.append(logprob.gather(1, token[:, None])[:, 0].masked_fill(done, 0.0))
            done = done | (token == self._tokens.eos)
            if not draw_boxes:
                certain = (certain | (token == self._tokens.box_open)) & (token != self._tokens.box_close)
            if number % CHECK_EVERY == CHECK_EVERY - 1 and bool(done.all()):
                break
            if number + 1 < self._longest:
                self._token.copy_(ids[-1])
                logits = self._next()
                self._at += 1
        return Written(
            ids=self._whole(ids, self._tokens.pad),
            logprob=self._whole(found, 0),
            mask=self._whole(mask, 0),
            drawn=self._whole(drawn, 0),
        )

    def _whole(self, columns: list[Tensor], fill: int) -> Tensor:
        """[R, W] of the columns that were written."""
        return F.pad(torch.stack(columns, dim=1), (0, self._longest - len(columns)), value=fill)

    def _read(self, prompts: Prompts, frames: Tensor) -> Tensor:
        """Fill the caches with the prompts; the logits [R, V] of their last tokens."""
        forward = self._forward
        with autocast(frames.device):
            x, added = forward.embed(prompts.ids, forward.see(frames))
            rope = forward.rope_of(0, prompts.ids.shape[1])
            hidden = forward.layers_attending(x, rope=rope, attend=self._attend_prompt, added=added)
            last = hidden[torch.arange(len(hidden), device=hidden.device), prompts.lengths - 1]
            logits = forward.logits(last)
        self._at.copy_(prompts.lengths.repeat_interleave(self._copies))
        return logits.repeat_interleave(self._copies, dim=0)

    def _attend_prompt(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        for cache, new in zip(self._caches[layer], (k, v), strict=True):
            copies = cache.view(len(new), self._copies, *cache.shape[1:])
            copies[:, :, :, : self._length] = new[:, None].to(cache.dtype)
        return attend_before(q, k, v)

    def _next(self) -> Tensor:
        """The logits [R, V] after one more token of each row."""
        if not self._capture:
            return self._computed()
        if self._step is None:
            self._step = _captured(self._computed)
        return self._step()

    def _computed(self) -> Tensor:
        forward = self._forward
        # A graph must not hold on to casts of weights that were made before it.
        with autocast(self._token.device, cache=False):
            x = forward.text.embed_tokens(self._token)[:, None]
            cos, sin = (table[self._at][:, None, None] for table in forward.rope)
            hidden = forward.layers_attending(x, rope=(cos, sin), attend=self._attend_cached)
            return forward.logits(hidden[:, 0])

    def _attend_cached(self, layer: int, q_RHSD: Tensor, k_RKSD: Tensor, v_RKSD: Tensor) -> Tensor:
        """One new token of each row over what its cache holds, itself included."""
        keys, values = self._caches[layer]
        keys[self._rows, :, self._at] = k_RKSD[:, :, 0].to(keys.dtype)
        values[self._rows, :, self._at] = v_RKSD[:, :, 0].to(values.dtype)
        rows, heads, _, width = q_RHSD.shape
        shared = keys.shape[1]
        # The queries that share a key/value head, as more queries of that head: no key is read twice.
        q = q_RHSD.view(rows, shared, heads // shared, width).to(keys.dtype)
        mask = (self._places <= self._at[:, None])[:, None, None].expand(-1, -1, heads // shared, -1)
        out = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
        return out.reshape(rows, heads, 1, width)


def _captured(step: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """The step as a CUDA graph: a replay costs one launch instead of hundreds."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # the first run allocates workspaces, which a capture may not
        step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        logits = step()

    def replay() -> Tensor:
        graph.replay()
        return logits

    return replay
