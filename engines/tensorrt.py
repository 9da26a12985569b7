"""`--engine tensorrt`: plans of an exported Qwen-VL model, run by TensorRT or TensorRT-RTX on an NVIDIA GPU.

Tensors are PyTorch's, bound by address: caches are written in place, and work goes on PyTorch's stream.
Batches are padded to a few sizes; for each, a decode step is captured once as a CUDA graph and then replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engines.manifest import COMPUTE, EMBEDDING, GRAPHS, Manifest, read_manifest
from engines.plans import (
    DECODER_PLAN,
    VISION_PLAN,
    Limits,
    check_export,
    check_fits,
    place_of_gpu,
    read_plan,
    read_plans,
)
from engines.qwen.caches import CachePool, TensorCache
from engines.qwen.engine import QwenEngine
from engines.qwen.graphs import decoder_caches, decoder_deepstack, decoder_inputs, vision_feed, vision_outputs
from engines.qwen.settings import QwenSettings
from engines.qwen.shapes import Shapes
from engines.qwen.vision import Grid
from engines.qwen.words import Words
from engines.tensorrt_library import Library, find_library
from grounding.errors import EngineError, printable
from grounding.prompts import PROOFREEL, PromptSet


@dataclass(frozen=True, slots=True)
class Networks:
    """The deserialised engines of a folder of plans (`ICudaEngine`), and the library that made them."""

    vision: Any
    decoder: Any
    library: Library


class TensorRTRuntime:
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
        workspace = _Workspace(self.device)  # both plans reserve theirs before a context takes its address
        vision = _Plan(networks.vision, networks.library, workspace)
        self._decoder = _Plan(networks.decoder, networks.library, workspace)
        self._vision = vision.context(0)
        self._prefill: dict[int, _Context] = {}
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

    def free(self, cache: TensorCache) -> None:
        """The cache is done with; it may be kept, with its step, for a call of the same size."""
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
        given = (x_BSE, *rotary, at, last)
        if x_BSE.shape[1] == 1 and not deepstack:
            if cache.bound is None:
                cache.bound = self._call(cache, length=1, decode=True)
            step: _Call = cache.bound
        else:
            step = self._call(cache, length=x_BSE.shape[1], decode=False)
        return step.run((*given, *deepstack))

    def close(self) -> None:
        """Let go of the kept caches; the engines go with the last reference to the runtime."""
        self._pool.clear()

    def _call(self, cache: TensorCache, *, length: int, decode: bool) -> _Call:
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
        return _Call(
            self._context(rows, decode=decode),
            inputs=dict(zip(names, [*inputs, *cache.tensors], strict=True)),
            given=inputs,
            outputs={"logits": zeros(rows, text.vocabulary), **outputs},
            replayed=decode and self.device.type == "cuda",
        )

    def _context(self, rows: int, *, decode: bool) -> _Context:
        """A captured step needs a context that nothing else changes; all prefill of a range shares one."""
        number = next(n for n, (_, most) in enumerate(self._limits.ranges) if rows <= most)
        if decode:
            return self._decoder.context(2 * number + 1)
        if number not in self._prefill:
            self._prefill[number] = self._decoder.context(2 * number)
        return self._prefill[number]


class _Workspace:
    """The scratch memory of all contexts: they run one after the other, so they share it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.memory = torch.empty(0, dtype=torch.uint8, device=device)

    def reserve(self, size: int) -> None:
        """Make it at least `size` bytes. Only before any context has been given its address."""
        if size > len(self.memory):
            self.memory = torch.empty(size, dtype=torch.uint8, device=self._device)


class _Plan:
    """An engine, and the contexts made of it."""

    def __init__(self, engine: Any, library: Library, workspace: _Workspace) -> None:
        self._engine, self._library, self._workspace = engine, library, workspace
        for profile in range(engine.num_optimization_profiles):
            workspace.reserve(engine.get_device_memory_size_for_profile_v2(profile))

    def context(self, profile: int) -> _Context:
        """A new context of that profile, in the shared workspace."""
        strategy = self._library.api.ExecutionContextAllocationStrategy.USER_MANAGED
        context = self._engine.create_execution_context(strategy)
        if context is None:
            raise EngineError(f"TensorRT can't make ready to run: {self._library.last_error()}")
        memory = self._workspace.memory
        context.set_optimization_profile_async(profile, _stream(memory.device))
        context.set_device_memory(memory.data_ptr(), len(memory))
        return _Context(context, self._library, memory)


class _Context:
    """An `IExecutionContext` of one profile; `memory` is the workspace that it keeps."""

    def __init__(self, context: Any, library: Library, memory: Tensor) -> None:
        self._context, self._library, self._memory = context, library, memory

    def run(self, *, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> None:
        """Bind every tensor by its address and put the run on PyTorch's stream."""
        for name, tensor in inputs.items():
            if not self._context.set_input_shape(name, tuple(tensor.shape)):
                raise EngineError(
                    f"the plan takes no {name} of {tuple(tensor.shape)}: {self._library.last_error()}"
                )
        for name, tensor in (*inputs.items(), *outputs.items()):
            assert tensor.is_contiguous()
            self._context.set_tensor_address(name, tensor.data_ptr())
        if not self._context.execute_async_v3(_stream(self._memory.device)):
            raise EngineError(f"TensorRT stopped in the middle of a run: {self._library.last_error()}")

    def can_be_captured(self) -> bool:
        """Whether a run may be captured now: TensorRT-RTX may still be compiling its kernels."""
        capturable = getattr(self._context, "is_stream_capturable", None)
        return capturable is None or bool(capturable(_stream(self._memory.device)))


class _Call:
    """A run of the decoder over one cache; captured after its first time if it is to be `replayed`."""

    def __init__(
        self,
        context: _Context,
        *,
        inputs: Mapping[str, Tensor],
        given: Sequence[Tensor],
        outputs: Mapping[str, Tensor],
        replayed: bool,
    ) -> None:
        self._context, self._replayed = context, replayed
        self._inputs, self._given, self._outputs = inputs, given, outputs
        self._graph: torch.cuda.CUDAGraph | None = None

    def run(self, given: Sequence[Tensor]) -> Tensor:
        """Logits of the rows given; rows that pad the batch, and inputs that are left out, stay zero."""
        for kept, new in zip(self._given, given, strict=False):
            kept[: len(new)].copy_(new)
        if self._graph is not None:
            self._graph.replay()
        else:
            self._launch()
            if self._replayed and self._context.can_be_captured():
                self._graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(self._graph):
                    self._launch()
        return self._outputs["logits"][: len(given[0])]

    def _launch(self) -> None:
        self._context.run(inputs=self._inputs, outputs=self._outputs)


def padded_rows(rows: int, limits: Limits) -> int:
    """The batch size that `rows` are padded to: a power of two, or the most the plans take.

    Raises EngineError when they take fewer.
    """
    most = limits.rows[-1]
    if rows > most:
        raise EngineError(
            f"{rows} rows at once are more than the {most} that these plans were built for: ask fewer "
            f"questions of fewer clips at once, or build them with `--rows {rows}`"
        )
    return min(1 << (rows - 1).bit_length(), most)


def picture_groups(grids: Sequence[Grid], shapes: Shapes, limits: Limits) -> Iterator[list[Grid]]:
    """The pictures in order, as many at once as the vision plan takes; a video counts as its pictures.

    Raises EngineError for one of more patches than it takes.
    """
    group: list[Grid] = []
    patches = windows = 0
    for times, rows, columns in grids:
        if rows * columns > limits.patches:
            raise EngineError(
                f"a picture of {rows} x {columns} patches is larger than the {limits.patches} that these "
                f"plans take: take smaller frames, or build them with `--patches {rows * columns}`"
            )
        cut = _windows(rows, columns, shapes)
        for _ in range(times):
            full = (
                len(group) == limits.pictures or patches + rows * columns > limits.pictures * limits.patches
            )
            if group and (full or windows + cut > limits.windows(window_patches(shapes))):
                yield group
                group, patches, windows = [], 0, 0
            group.append((1, rows, columns))
            patches, windows = patches + rows * columns, windows + cut
    if group:
        yield group


def window_patches(shapes: Shapes) -> int:
    """Patches in a full window of Qwen2.5-VL's vision tower, one where there are none."""
    side = max(shapes.vision.window // shapes.vision.patch, 1)
    return side**2


def _windows(rows: int, columns: int, shapes: Shapes) -> int:
    side = max(shapes.vision.window // shapes.vision.patch, 1)
    return -(-rows // side) * -(-columns // side)


def _stream(device: torch.device) -> int:
    if device.type != "cuda":
        return 0
    handle: int = torch.cuda.current_stream(device).cuda_stream
    return handle


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
) -> QwenEngine:
    """The engine of a folder of plans, on the GPU that PyTorch uses.

    Raises EngineError when the folder isn't whole, or when its plans are for another GPU, library or export.
    """
    folder = Path(model)
    plans = read_plans(folder)
    manifest = read_manifest(folder, but=GRAPHS)
    check_export(plans, manifest.identity, folder)
    library = find_library(plans.library)
    check_fits(plans, library, place_of_gpu(), folder)
    vision, decoder = (
        deserialised(read_plan(folder, plans, name), library, where=f"{printable(folder)}/{name}")
        for name in (VISION_PLAN, DECODER_PLAN)
    )
    runtime = TensorRTRuntime(
        Networks(vision, decoder, library), manifest, plans.limits, embedding=_embedding(folder / EMBEDDING)
    )
    own = (settings or QwenSettings()).of_checkpoint(manifest.own)
    return QwenEngine(
        runtime,
        name="tensorrt",
        source=manifest.identity,
        words=Words(folder),
        layout=manifest.layout,
        normalisation=manifest.normalisation,
        stops=frozenset(manifest.stops),
        settings=replace(own, rows=min(own.rows, plans.limits.rows[-1])),
        prompts=prompts,
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
