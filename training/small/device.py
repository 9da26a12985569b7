"""What a device computes in, and what it is called."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch

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
