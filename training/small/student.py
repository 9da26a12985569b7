"""The model while it learns: its weights, their running mean, its optimisers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engines.qwen.checkpoint import find_here
from training.small.model import build, load_weights, save
from training.small.optimiser import optimisers_of
from training.small.shape import SizeName
from training.small.source import Source


class Student:
    """A model on a device with all that its training changes."""

    def __init__(
        self,
        size: SizeName,
        *,
        source: Source,
        seed: int,
        start: str,
        device: torch.device,
        weight_decay: float,
        ema_decay: float,
        muon: bool = True,
    ) -> None:
        self._source, self._ema_decay = source, ema_decay
        self.model = build(size, tokens=source.tokens, seed=seed)
        if start:
            load_weights(self.model, find_here(start) or Path(start).expanduser())
        self.model.to(device)
        self.parameters: list[Tensor] = list(self.model.parameters())
        self.optimisers = optimisers_of(self.model, weight_decay=weight_decay, muon=muon)
        self._mean = [p.detach().clone() for p in self.parameters] if ema_decay else []

    def step(self, *, muon_lr: float, adamw_lr: float) -> None:
        """Learn from the gradients that the parameters hold."""
        self.optimisers.step(muon_lr=muon_lr, adamw_lr=adamw_lr)
        if self._mean:
            with torch.no_grad():
                torch._foreach_lerp_(self._mean, self.parameters, 1 - self._ema_decay)

    @contextmanager
    def averaged(self) -> Iterator[Any]:
        """The model with the running mean for its weights, where one is kept."""
        own = [p.detach().clone() for p in self.parameters] if self._mean else []
        self._set(self._mean)
        try:
            yield self.model
        finally:
            self._set(own)

    def save(self, folder: Path) -> None:
        """Write the model as any engine opens it."""
        with self.averaged() as model:
            save(
                model,
                folder,
                tokens=self._source.tokens,
                cut=self._source.cut,
                write_tokenizer=self._source.write_tokenizer,
            )

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "mean": self._mean,
            "optimisers": self.optimisers.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimisers.load_state_dict(state["optimisers"])
        with torch.no_grad():
            for own, saved in zip(self._mean, state["mean"], strict=True):
                own.copy_(saved)

    def _set(self, values: list[Tensor]) -> None:
        with torch.no_grad():
            for param, value in zip(self.parameters, values, strict=False):
                param.copy_(value)
