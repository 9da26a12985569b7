"""The networks in PyTorch, on a CPU or a CUDA device; on CUDA a decode step is one replayed graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from engines.qwen.caches import CachePool, TensorCache
from engines.qwen.decoder import Decoder
from engines.qwen.ops import Ops
from engines.qwen.shapes import Shapes
from engines.qwen.vision import Grid, Stretches, VisionTower, vision_plan


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
        self._pool = CachePool(shapes.text, device=self.device, dtype=self.dtype)

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings [..., E] of token ids [...]."""
        embedded: Tensor = self._embedding(ids)
        return embedded

    @torch.inference_mode()
    def see(self, patches: Tensor, grids: Sequence[Grid]) -> tuple[Tensor, ...]:
        """Features [F, E] of pictures, and one more [F, E] a DeepStack layer."""
        plan = vision_plan(grids, self.shapes).to(self.device, self.dtype)
        positions = None
        if plan.position_index is not None and plan.position_weight is not None:
            positions = (plan.position_index, plan.position_weight)
        features: tuple[Tensor, ...] = self._vision(
            patches.to(self.dtype),
            plan.cos,
            plan.sin,
            _parts(plan.frames),
            None if plan.windows is None else _parts(plan.windows),
            positions,
        )
        return features

    def cache(self, rows: int, length: int) -> TensorCache:
        """An empty cache. Raises EngineError when it would not fit into memory, before anything is run."""
        return self._pool.take(rows, length)

    def fork(self, cache: TensorCache, rows: Sequence[int], *, length: int, used: int) -> TensorCache:
        """A new cache whose row i begins as row `rows[i]` of `cache`, of which `used` tokens matter."""
        return self._pool.fork(cache, rows, length=length, used=used)

    def free(self, cache: TensorCache) -> None:
        """The cache is done with; it may be kept, with its graph, for a call of the same size."""
        self._pool.give_back(cache)

    @torch.inference_mode()
    def forward(
        self,
        x_BSE: Tensor,
        *,
        rotary: tuple[Tensor, Tensor],
        at: Tensor,
        last: Tensor,
        deepstack: Sequence[Tensor],
        cache: TensorCache,
    ) -> Tensor:
        """Logits [B, V] of each row's token `last`; the cache then holds the new tokens too."""
        step = (x_BSE, *rotary, at, last)
        if self.device.type == "cuda" and x_BSE.shape[1] == 1 and not deepstack:
            if cache.bound is None:
                cache.bound = _StepGraph(self._decoder, step, cache.tensors)
            graph: _StepGraph = cache.bound
            return graph.replay(step)
        seen = None
        if x_BSE.shape[1] > 1:
            seen = min(int(at.max()) + x_BSE.shape[1], cache.length)
        logits: Tensor = self._decoder(*step, deepstack, cache.tensors, seen)[0]
        return logits

    def close(self) -> None:
        """Let go of the kept caches; the weights go with the last reference to the runtime."""
        self._pool.clear()


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
