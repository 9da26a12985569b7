"""The networks in PyTorch, on a CPU or a CUDA device; on CUDA a decode step is one replayed graph."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from engines.qwen.decoder import Decoder
from engines.qwen.ops import Ops
from engines.qwen.runtime import Patches
from engines.qwen.shapes import Shapes
from engines.qwen.vision import Grid, Stretches, VisionTower, vision_plan
from grounding.errors import EngineError

_CACHE_SHARE = 0.9
"""Of the free memory, what a cache may take."""

_MOST_SPARES = 2  # one for what questions share, one for their answers


@dataclass(slots=True, eq=False)
class TorchCache:
    """2 L tensors [rows, K, length, D]: keys and values of each layer; `graph` replays a step over them."""

    tensors: list[Tensor] = field(repr=False)
    graph: _StepGraph | None = None

    @property
    def rows(self) -> int:
        return self.tensors[0].shape[0]

    @property
    def length(self) -> int:
        return self.tensors[0].shape[2]


class TorchRuntime:
    """Runs a loaded `Qwen2_5_VLForConditionalGeneration` or `Qwen3VLForConditionalGeneration`."""

    max_chunk = 4096

    def __init__(self, model: Any, shapes: Shapes, *, max_length: int) -> None:
        self.shapes, self.max_length = shapes, max_length
        weight = model.get_input_embeddings().weight
        self.device, self.dtype = weight.device, weight.dtype
        self.check_every = 16 if self.device.type == "cuda" else 1
        self._embedding = model.get_input_embeddings()
        ops = Ops()
        self._vision = VisionTower(model.model.visual, ops=ops)
        self._decoder = Decoder(
            model.model.language_model, model.lm_head, num_deepstack=len(shapes.vision.deepstack), ops=ops
        )
        self._spares: list[TorchCache] = []

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings [..., E] of token ids [...]."""
        embedded: Tensor = self._embedding(ids)
        return embedded

    @torch.inference_mode()
    def see(self, patches: Patches, grids: Sequence[Grid]) -> tuple[Tensor, ...]:
        """Features [F, E] of pictures, and one more [F, E] a DeepStack layer."""
        plan = vision_plan(grids, self.shapes).to(self.device, self.dtype)
        positions = None
        if plan.position_index is not None and plan.position_weight is not None:
            positions = (plan.position_index, plan.position_weight)
        features: tuple[Tensor, ...] = self._vision(
            torch.from_numpy(patches).to(self.device, self.dtype),
            plan.cos,
            plan.sin,
            _parts(plan.frames),
            None if plan.windows is None else _parts(plan.windows),
            positions,
        )
        return features

    def cache(self, rows: int, length: int) -> TorchCache:
        """A cache whose contents nobody has seen; zeroed when it is new, for NaN leaks through masks."""
        for spare in self._spares:
            if (spare.rows, spare.length) == (rows, length):
                self._spares.remove(spare)
                return spare
        self._make_room(rows, length)
        text = self.shapes.text
        shape = (rows, text.kv_heads, length, text.head_dim)
        return TorchCache(
            [torch.zeros(shape, dtype=self.dtype, device=self.device) for _ in range(2 * text.layers)]
        )

    def _make_room(self, rows: int, length: int) -> None:
        needed = self.shapes.text.cache_bytes(rows=rows, length=length, item_bytes=self.dtype.itemsize)
        if needed > _free_bytes(self.device) * _CACHE_SHARE:
            self._spares.clear()
        free = _free_bytes(self.device)
        if needed > free * _CACHE_SHARE:
            raise EngineError(
                f"{rows} answers of up to {length} tokens need {needed / 1e9:.1f} GB for their caches, and "
                f"{free / 1e9:.1f} GB are free: ask fewer questions at once, or take fewer frames a window"
            )

    def fork(self, cache: TorchCache, rows: Sequence[int], *, length: int, used: int) -> TorchCache:
        """A new cache whose row i begins as row `rows[i]` of `cache`, of which `used` tokens matter."""
        new = self.cache(len(rows), length)
        chosen = torch.tensor(rows, device=self.device)
        for target, source in zip(new.tensors, cache.tensors, strict=True):
            target[:, :, :used] = source[chosen, :, :used]
        return new

    def free(self, cache: TorchCache) -> None:
        """The cache is done with; the last few are kept, with their graphs, for calls of the same size."""
        self._spares = [cache, *self._spares][:_MOST_SPARES]

    @torch.inference_mode()
    def forward(
        self,
        x_BSE: Tensor,
        *,
        rotary: tuple[Tensor, Tensor],
        at: Tensor,
        last: Tensor,
        deepstack: Sequence[Tensor],
        cache: TorchCache,
    ) -> Tensor:
        """Logits [B, V] of each row's token `last`; the cache then holds the new tokens too."""
        step = (x_BSE, *rotary, at, last)
        if self.device.type == "cuda" and x_BSE.shape[1] == 1 and not deepstack:
            if cache.graph is None:
                cache.graph = _StepGraph(self._decoder, step, cache.tensors)
            return cache.graph.replay(step)
        seen = None
        if x_BSE.shape[1] > 1:
            seen = min(int(at.max()) + x_BSE.shape[1], cache.length)
        logits: Tensor = self._decoder(*step, deepstack, cache.tensors, seen)[0]
        return logits

    def close(self) -> None:
        """Let go of the kept caches; the weights go with the last reference to the runtime."""
        self._spares.clear()


class _StepGraph:
    """One decode step over one cache, captured once: a replay costs one launch instead of hundreds."""

    def __init__(self, decoder: Decoder, step: tuple[Tensor, ...], caches: list[Tensor]) -> None:
        self._inputs = [t.clone() for t in step]
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # the first run allocates workspaces, which a capture may not
            decoder(*self._inputs, (), caches)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._logits: Tensor = decoder(*self._inputs, (), caches)[0]

    def replay(self, step: tuple[Tensor, ...]) -> Tensor:
        for kept, new in zip(self._inputs, step, strict=True):
            kept.copy_(new)
        self._graph.replay()
        return self._logits


def _parts(stretches: Stretches) -> tuple[Tensor, Tensor | None, Tensor]:
    return stretches.index, stretches.mask, stretches.back


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return (
            torch.cuda.mem_get_info(device)[0]
            + torch.cuda.memory_reserved(device)
            - torch.cuda.memory_allocated(device)
        )
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
