"""The networks in PyTorch, on a CPU or a CUDA device; on CUDA a decode step is one replayed graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from engines.qwen.caches import CachePool, Pooled, TensorCache
from engines.qwen.decoder import Decoder
from engines.qwen.ops import Ops
from engines.qwen.shapes import Shapes
from engines.qwen.vision import Grid, Stretches, VisionTower, vision_plan


class TorchRuntime(Pooled):
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
