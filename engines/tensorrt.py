"""`--engine tensorrt`: plans of an exported Qwen-VL model, run by TensorRT or TensorRT-RTX on an NVIDIA GPU.

Tensors are PyTorch's, bound by address: caches are written in place, and work goes on PyTorch's stream.
Batches are padded to a few sizes; for each, a decode step is captured once as a CUDA graph and then replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engines.manifest import COMPUTE, EMBEDDING, Manifest, read_manifest
from engines.parity import require_parity
from engines.plan_limits import Limits, padded_rows, picture_groups
from engines.plans import (
    DECODER_PLAN,
    VISION_PLAN,
    Plans,
    check_export,
    check_fits,
    place_of_gpu,
    read_plan,
    read_plans,
)
from engines.qwen.caches import CachePool, Pooled, TensorCache
from engines.qwen.engine import QwenEngine
from engines.qwen.graphs import decoder_caches, decoder_deepstack, decoder_inputs, vision_feed, vision_outputs
from engines.qwen.settings import QwenSettings
from engines.qwen.vision import Grid
from engines.qwen.words import Words
from engines.tensorrt_contexts import Call, Context, Plan, Workspace
from engines.tensorrt_library import Library, find_library
from grounding.errors import EngineError, printable
from grounding.prompts import PROOFREEL, PromptSet


@dataclass(frozen=True, slots=True)
class Networks:
    """The deserialised engines of a folder of plans (`ICudaEngine`), and the library that made them."""

    vision: Any
    decoder: Any
    library: Library


class TensorRTRuntime(Pooled):
    """Runs deserialised plans. Raises EngineError when they don't update their caches in place."""

    check_every = 16

    def __init__(
        self,
        networks: Networks,
        manifest: Manifest,
        limits: Limits,
        *,
        embedding: Tensor,
        device: torch.device | str = "cuda",
    ) -> None:
        self.shapes, self.max_length, self.max_chunk = manifest.shapes, manifest.max_length, limits.chunk
        self.dtype: torch.dtype = getattr(torch, COMPUTE[manifest.dtype])
        self.device = torch.device(device)
        self._limits = limits
        self._embedding = embedding.to(self.device, self.dtype)
        self._cache_names = decoder_caches(self.shapes)
        _check_in_place(networks.decoder, self._cache_names)
        workspace = Workspace(self.device)  # both plans reserve theirs before a context takes its address
        vision = Plan(networks.vision, networks.library, workspace)
        self._decoder = Plan(networks.decoder, networks.library, workspace)
        self._vision = vision.context(0)
        self._prefill: dict[int, Context] = {}
        self._side: Any = None
        if self.device.type == "cuda":
            self._side = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        self._pool = CachePool(self.shapes.text, device=self.device, dtype=self.dtype, length=self.max_length)

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings [..., E] of token ids [...]."""
        return torch.nn.functional.embedding(ids, self._embedding)

    def see(self, patches: Tensor, grids: Sequence[Grid]) -> tuple[Tensor, ...]:
        """Features [F, E] of pictures, and one more [F, E] a DeepStack layer.

        Raises EngineError for a picture of more patches than the plan takes.
        """
        parts, start = [], 0
        for group in picture_groups(grids, self.shapes, self._limits):
            count = sum(rows * columns for _, rows, columns in group)
            with self._on_own_stream():
                parts.append(self._see_group(patches[start : start + count], group))
            start += count
        return tuple(torch.cat(layer) for layer in zip(*parts, strict=True))

    def _see_group(self, patches: Tensor, grids: Sequence[Grid]) -> tuple[Tensor, ...]:
        tensors = vision_feed(patches, grids, self.shapes, device=self.device, dtype=self.dtype)
        size = (len(patches) // self.shapes.vision.merge**2, self.shapes.text.hidden)
        outputs = {
            name: torch.empty(size, dtype=self.dtype, device=self.device)
            for name in vision_outputs(self.shapes)
        }
        self._vision.run(inputs=tensors, outputs=outputs)
        return tuple(outputs.values())

    def cache(self, rows: int, length: int) -> TensorCache:
        """An empty cache of at least `rows`. Raises EngineError when it would not fit, before any run."""
        return self._pool.take(padded_rows(rows, self._limits), length)

    def fork(self, cache: TensorCache, rows: Sequence[int], *, length: int, used: int) -> TensorCache:
        """A new cache whose row i begins as row `rows[i]` of `cache`, of which `used` tokens matter."""
        padding = padded_rows(len(rows), self._limits) - len(rows)
        return self._pool.fork(cache, [*rows, *[rows[0]] * padding], length=length, used=used)

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
        with self._on_own_stream():
            return self._step(cache, x_BSE, deepstack).run((x_BSE, *rotary, at, last, *deepstack))

    def _step(self, cache: TensorCache, x_BSE: Tensor, deepstack: Sequence[Tensor]) -> Call:
        if x_BSE.shape[1] > 1 or deepstack:
            return self._call(cache, length=x_BSE.shape[1], decode=False)
        if cache.bound is None:
            cache.bound = self._call(cache, length=1, decode=True)
        step: Call = cache.bound
        return step

    @contextmanager
    def _on_own_stream(self) -> Iterator[None]:
        """On the default stream TensorRT waits for the whole device before and after each run."""
        if self._side is None:
            yield
            return
        self._side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._side):
            yield
        torch.cuda.current_stream().wait_stream(self._side)

    def _call(self, cache: TensorCache, *, length: int, decode: bool) -> Call:
        text, rows = self.shapes.text, cache.rows

        def zeros(*size: int, dtype: torch.dtype = self.dtype) -> Tensor:
            return torch.zeros(size, dtype=dtype, device=self.device)

        inputs = [
            zeros(rows, length, text.hidden),
            zeros(rows, length, text.head_dim // 2),
            zeros(rows, length, text.head_dim // 2),
            zeros(rows, dtype=torch.long),
            zeros(rows, dtype=torch.long),
            *(zeros(rows, length, text.hidden) for _ in decoder_deepstack(self.shapes)),
        ]
        outputs = {
            name + "_out": tensor for name, tensor in zip(self._cache_names, cache.tensors, strict=True)
        }
        names = decoder_inputs(self.shapes)
        return Call(
            self._context(rows, decode=decode),
            inputs=dict(zip(names, [*inputs, *cache.tensors], strict=True)),
            given=inputs,
            outputs={"logits": zeros(rows, text.vocabulary), **outputs},
            replayed=decode and self.device.type == "cuda",
        )

    def _context(self, rows: int, *, decode: bool) -> Context:
        """A captured step needs a context that nothing else changes; all prefill of a range shares one."""
        number = next(n for n, (_, most) in enumerate(self._limits.ranges) if rows <= most)
        if decode:
            return self._decoder.context(2 * number + 1)
        if number not in self._prefill:
            self._prefill[number] = self._decoder.context(2 * number)
        return self._prefill[number]


def _check_in_place(engine: Any, caches: Sequence[str]) -> None:
    for name in caches:
        if engine.get_aliased_input_tensor(name + "_out") != name:
            raise EngineError(
                f"the decoder's plan doesn't update {name} in place: build it with TensorRT 10.15 or later, "
                "from an export of this Proofreel"
            )


def load(
    model: str,
    *,
    settings: QwenSettings | None = None,
    prompts: PromptSet = PROOFREEL,
    unchecked: bool = False,
) -> QwenEngine:
    """The engine of a folder of plans, on the GPU that PyTorch uses.

    Raises EngineError when the folder isn't whole, when its plans are for another GPU, library or export, or
    when they were not found to say what their checkpoint says (`unchecked` goes on, and makes another
    fingerprint).
    """
    folder = Path(model)
    opened = open_plans(folder)
    if not unchecked:
        require_parity(folder, identity=opened.plans.identity)
    manifest = opened.manifest
    try:
        own = (settings or QwenSettings()).of_checkpoint(manifest.own)
    except ValueError as error:
        raise EngineError(f"plans {printable(folder)}: config.json, section proofreel: {error}") from error
    return QwenEngine(
        run_plans(folder, opened),
        name="tensorrt",
        source=opened.plans.identity + (" unchecked" if unchecked else ""),
        words=Words(folder),
        layout=manifest.layout,
        normalisation=manifest.normalisation,
        stops=frozenset(manifest.stops),
        settings=replace(own, rows=min(own.rows, opened.plans.limits.rows[-1])),
        prompts=prompts,
    )


@dataclass(frozen=True, slots=True)
class Opened:
    """Plans that fit the library and the GPU here."""

    plans: Plans
    manifest: Manifest
    library: Library


def open_plans(folder: Path) -> Opened:
    """Look through a folder of plans before anything is loaded. Raises EngineError for what doesn't fit."""
    plans = read_plans(folder)
    manifest = read_manifest(folder, with_files=False)
    check_export(plans, manifest.identity, folder)
    library = find_library(plans.library)
    check_fits(plans, library, place_of_gpu(), folder)
    return Opened(plans, manifest, library)


def run_plans(folder: Path, opened: Opened) -> TensorRTRuntime:
    """The runtime over a folder's plans. Raises EngineError for one that is damaged or can't be loaded."""
    vision, decoder = (
        deserialised(
            read_plan(folder, opened.plans, name), opened.library, where=f"{printable(folder)}/{name}"
        )
        for name in (VISION_PLAN, DECODER_PLAN)
    )
    return TensorRTRuntime(
        Networks(vision, decoder, opened.library),
        opened.manifest,
        opened.plans.limits,
        embedding=_embedding(folder / EMBEDDING),
    )


def deserialised(plan: bytes, library: Library, *, where: str) -> Any:
    """The engine in a plan. Raises EngineError with the library's reason when it takes none out."""
    engine = library.api.Runtime(library.log).deserialize_cuda_engine(plan)
    if engine is None:
        raise EngineError(
            f"{where} can't be loaded by {library.name} {library.version}: {library.last_error()}"
        )
    return engine


def _embedding(path: Path) -> Tensor:
    from safetensors.torch import load_file

    return load_file(path)["weight"]
