"""Plans run by TensorRT over PyTorch's tensors: contexts, their shared scratch memory, and captured runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from engines.tensorrt_library import Library
from grounding.errors import EngineError


class Workspace:
    """The scratch memory of all contexts: they run one after the other, so they share it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.memory = torch.empty(0, dtype=torch.uint8, device=device)

    def reserve(self, size: int) -> None:
        """Make it at least `size` bytes. Only before any context has been given its address."""
        if size > len(self.memory):
            self.memory = torch.empty(size, dtype=torch.uint8, device=self._device)


class Plan:
    """An engine, and the contexts made of it."""

    def __init__(self, engine: Any, library: Library, workspace: Workspace) -> None:
        self._engine, self._library, self._workspace = engine, library, workspace
        workspace.reserve(engine.device_memory_size_v2)

    def context(self, profile: int) -> Context:
        """A new context of that profile, in the shared workspace."""
        strategy = self._library.api.ExecutionContextAllocationStrategy.USER_MANAGED
        context = self._engine.create_execution_context(strategy)
        if context is None:
            raise EngineError(f"TensorRT can't make ready to run: {self._library.last_error()}")
        memory = self._workspace.memory
        context.set_optimization_profile_async(profile, _stream(memory.device))
        context.set_device_memory(memory.data_ptr(), len(memory))
        return Context(context, self._library, memory)


class Context:
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


class Call:
    """A run of the decoder over one cache; captured after its first time if it is to be `replayed`."""

    def __init__(
        self,
        context: Context,
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


def _stream(device: torch.device) -> int:
    if device.type != "cuda":
        return 0
    handle: int = torch.cuda.current_stream(device).cuda_stream
    return handle
