"""Batches made ahead by worker processes, and put on the device without waiting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from training.small.source import Batches

AHEAD = 4
"""Batches that each worker makes ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """A batch on the device."""

    ids: Tensor
    roles: Tensor
    kinds: Tensor
    scene: Mapping[str, Tensor]


class _AsTensors(Dataset[dict[str, Any]]):
    """Batches as plain dictionaries of tensors, which workers hand over through shared memory."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def __getitem__(self, k: int) -> dict[str, Any]:
        batch = self._batches[k]
        scene = {name: torch.as_tensor(value) for name, value in batch.scene.items()}
        tensors = {name: torch.as_tensor(getattr(batch, name)) for name in ("ids", "roles", "kinds")}
        return {**tensors, "scene": scene}


def feed(batches: Batches, numbers: range, *, workers: int, device: torch.device) -> Iterator[Fed]:
    """The batches of these numbers, in order, on `device`."""
    loader = DataLoader(
        _AsTensors(batches),
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        prefetch_factor=AHEAD if workers else None,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # or it would draw from the run's own
    )
    for made in loader:
        scene = {name: t.to(device, non_blocking=True) for name, t in made.pop("scene").items()}
        yield Fed(scene=scene, **{name: t.to(device, non_blocking=True) for name, t in made.items()})
