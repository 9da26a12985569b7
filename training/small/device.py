"""What a device computes in, and what it is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from grounding.errors import TrainingError
from training.small.config import CompileMode


def autocast(device: torch.device, *, cache: bool = True) -> AbstractContextManager[object]:
    """bfloat16 on a GPU; a CPU computes in float32. `cache`: weights are cast once, not at every use."""
    return torch.autocast(
        device.type, dtype=torch.bfloat16, enabled=device.type == "cuda", cache_enabled=cache
    )


def device_name(device: torch.device) -> str:
    """A GPU's own name, or "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def compiled(function: Any, mode: CompileMode) -> Any:
    """What is called, compiled for each set of shapes that it gets."""
    if mode == "off":
        return function
    return torch.compile(function, dynamic=False, mode=None if mode in ("default", "parts") else mode)


@contextmanager
def compiler_told() -> Iterator[None]:
    """What can't be compiled, most often as there is no compiler, is told with the ways around it."""
    try:
        yield
    except torch._dynamo.exc.BackendCompilerFailed as error:
        raise TrainingError(
            f"torch.compile failed ({str(error).splitlines()[0]}): install a C++ compiler (gcc), "
            'or set compile = "off" in the config, which is slower'
        ) from error
