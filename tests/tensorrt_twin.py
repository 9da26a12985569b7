"""TensorRT's runtime API over onnxruntime, on a CPU: it runs an exported graph over tensors bound by address.

TensorRT's own runtime needs an NVIDIA GPU. What the engine calls on it is called on this instead, with the
same names and the same refusals: sizes outside of the chosen profile, an output without an address. Only
float32.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from export.profiles import Profile, Size

_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}


class TwinEngine:
    """As `ICudaEngine`. `runs` lists the profile and the number of rows of every run."""

    device_memory_size_v2 = 1024

    def __init__(self, graph: Path, profiles: Sequence[Profile]) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.profiles = profiles
        self.runs: list[tuple[int, int]] = []

    def get_aliased_input_tensor(self, name: str) -> str | None:
        return name.removesuffix("_out") if "_cache_" in name else None

    def create_execution_context(self, _strategy: Any) -> TwinContext:
        return TwinContext(self)


class TwinContext:
    """As `IExecutionContext`."""

    def __init__(self, engine: TwinEngine) -> None:
        self._engine = engine
        self._profile: int | None = None
        self._shapes: dict[str, Size] = {}
        self._addresses: dict[str, int] = {}
        self._memory = 0

    def set_optimization_profile_async(self, profile: int, _stream: int) -> bool:
        self._profile = profile
        return True

    def set_device_memory(self, _address: int, size: int) -> None:
        self._memory = size

    def set_input_shape(self, name: str, shape: Size) -> bool:
        assert self._profile is not None, "no profile was chosen"
        least, _, most = self._engine.profiles[self._profile][name]
        self._shapes[name] = shape
        inside = [low <= size <= high for low, size, high in zip(least, shape, most, strict=True)]
        return all(inside)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._addresses[name] = address
        return True

    def execute_async_v3(self, _stream: int) -> bool:
        assert self._memory >= TwinEngine.device_memory_size_v2, "no workspace was given"
        session = self._engine.session
        inputs = {
            given.name: self._array(given.name, self._shapes[given.name], _TYPES[given.type])
            for given in session.get_inputs()
        }
        names = [output.name for output in session.get_outputs()]
        for name, value in zip(names, session.run(names, inputs), strict=True):
            self._array(name, value.shape, value.dtype)[...] = value
        rows = self._shapes[session.get_inputs()[0].name][0]
        self._engine.runs.append((self._profile or 0, rows))
        return True

    def _array(self, name: str, shape: Size, dtype: Any) -> NDArray[Any]:
        size = math.prod(shape) * np.dtype(dtype).itemsize
        memory = (ctypes.c_char * size).from_address(self._addresses[name])
        return np.frombuffer(memory, dtype).reshape(shape)
