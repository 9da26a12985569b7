"""How many workers fit this machine, and which part of it each one gets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

MEMORY_A_WORKER_BYTES = 1_500_000_000
"""What a worker with the embedded engine holds at 1080p, with some room."""

FILES_A_GPU = 4
"""So many files are decoded beside one another for one GPU, which one file would not keep busy."""

_GPUS = Path("/proc/driver/nvidia/gpus")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where workers run: the environment of each, the files each has open at once, and its CPU threads."""

    environments: tuple[Mapping[str, str], ...]
    orders_at_once: int
    num_threads: int

    @property
    def workers(self) -> int:
        return len(self.environments)


def places(workers: int | None, *, needs_gpu: bool) -> Places:
    """Places for so many workers; None is as many as fit: one a GPU for an engine that `needs_gpu` (or one,
    where there is no GPU), else one a core that the memory has room for.
    """
    gpus = _visible_gpus() if needs_gpu else ()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if gpus:
        most = workers or len(gpus)
        environments = tuple({"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} for i in range(most))
        return Places(
            environments=environments, orders_at_once=FILES_A_GPU, num_threads=max(cores // most, 1)
        )
    room = int(psutil.virtual_memory().available // MEMORY_A_WORKER_BYTES)
    most = workers or (1 if needs_gpu else max(min(cores, room), 1))
    return Places(environments=({},) * most, orders_at_once=1, num_threads=max(cores // most, 1))


def _visible_gpus() -> tuple[str, ...]:
    """The names by which CUDA would be told of each GPU that it may use."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return tuple(part.strip() for part in chosen.split(",") if part.strip())
    return tuple(str(number) for number, _ in enumerate(_GPUS.iterdir())) if _GPUS.is_dir() else ()
