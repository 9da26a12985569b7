"""What the loops need of a world: batches by number, a renderer, and its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from training.small.model import Cut
from training.small.shape import TokenIds
from training.small.stages import Lesson


class Renderer(Protocol):
    """Draws clips."""

    def __call__(self, scene: Mapping[str, Tensor], /) -> Tensor:
        """Frames uint8 [B, T, 3, 128, 128] of a scene whose tensors are on the renderer's device."""
        ...


class Batch(Protocol):
    """Clips with their prompts: ids int64, roles and kinds uint8, all [B, S]; the scene as arrays; and how
    many frames each clip shows, int64 [B].
    """

    @property
    def ids(self) -> Any: ...
    @property
    def roles(self) -> Any: ...
    @property
    def kinds(self) -> Any: ...
    @property
    def scene(self) -> Mapping[str, Any]: ...
    @property
    def frames(self) -> Any: ...


class Batches(Protocol):
    """Batch number k of an endless stream, the same whenever it is asked for."""

    def __getitem__(self, k: int, /) -> Batch: ...


class AsTensors:
    """Batches as dictionaries of tensors."""

    def __init__(self, batches: Batches) -> None:
        self._batches = batches

    def __getitem__(self, k: int) -> dict[str, Any]:
        batch = self._batches[k]
        scene = {name: torch.as_tensor(value) for name, value in batch.scene.items()}
        names = ("ids", "roles", "kinds", "frames")
        tensors = {name: torch.as_tensor(getattr(batch, name)) for name in names}
        return {**tensors, "scene": scene}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A world. `batches(lesson, seed)` are a stage's, `renderer(device)` draws those of any; `fingerprint`
    says which world it is, so that a run is never resumed on another.
    """

    tokens: TokenIds
    kinds: tuple[str, ...]
    cut: Cut
    fingerprint: str
    batches: Callable[[Lesson, int], Batches]
    renderer: Callable[[torch.device], Renderer]
    write_tokenizer: Callable[[Path], None]
