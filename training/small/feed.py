"""Batches made ahead by worker processes, and put on the device without waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

AHEAD = 4
"""Batches that each worker makes ahead."""


class Stream(Protocol):
    """Item number k of an endless stream, as a dictionary of tensors (also nested) and other values."""

    def __getitem__(self, k: int, /) -> Mapping[str, Any]: ...


class _Numbered(Dataset[Mapping[str, Any]]):
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __getitem__(self, k: int) -> Mapping[str, Any]:
        return self._stream[k]


def feed(stream: Stream, numbers: range, *, workers: int, device: torch.device) -> Iterator[dict[str, Any]]:
    """The items of these numbers, in order, with their tensors on `device`."""
    loader = DataLoader(
        _Numbered(stream),
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        prefetch_factor=AHEAD if workers else None,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # or it would draw from the run's own
    )
    for item in loader:
        yield _moved(item, device)


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return {name: _moved(part, device) for name, part in value.items()}
    return value


def timed(items: Iterator[dict[str, Any]]) -> Iterator[tuple[float, dict[str, Any]]]:
    """Each item with the seconds that were waited for it."""
    while True:
        asked = time.perf_counter()
        item = next(items, None)
        if item is None:
            return
        yield time.perf_counter() - asked, item
