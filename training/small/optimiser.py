"""Muon on the hidden matrices, AdamW on all else.

torch.optim.Muon orthogonalises one matrix after another: some hundred of them are thousands of launches of
tiny products. Here matrices of one shape are stacked and orthogonalised together.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Muon

BETAS = (0.9, 0.95)


class BatchedMuon(Muon):
    """torch.optim.Muon with `adjust_lr_fn="match_rms_adamw"`: same steps, same state, fewer launches.

    Source: Jordan 2024, Muon; arXiv 2502.16982 for the step size.
    """

    def __init__(self, params: Iterable[nn.Parameter], *, lr: float, weight_decay: float) -> None:
        super().__init__(params, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One step of all parameters that have a gradient."""
        assert closure is None
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._step(params, group)

    def _step(self, params: list[Tensor], group: dict[str, Any]) -> None:
        grads = [cast(Tensor, p.grad) for p in params]
        momenta = [self._momentum(p) for p in params]
        torch._foreach_lerp_(momenta, grads, 1 - group["momentum"])
        updates = torch._foreach_lerp(grads, momenta, group["momentum"]) if group["nesterov"] else momenta
        torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        for places in by_shape(params).values():
            stacked = torch.stack([updates[k].bfloat16() for k in places])
            steps = orthogonal(
                stacked, coefficients=group["ns_coefficients"], rounds=group["ns_steps"], eps=group["eps"]
            )
            size = group["lr"] * 0.2 * math.sqrt(max(stacked.shape[1:]))
            torch._foreach_add_([params[k] for k in places], list(steps.float().unbind()), alpha=-size)

    def _momentum(self, param: Tensor) -> Tensor:
        state = self.state[param]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(param)
        return cast(Tensor, state["momentum_buffer"])


def by_shape(params: Sequence[Tensor]) -> dict[tuple[int, ...], list[int]]:
    """Places of the parameters of each shape."""
    places: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, param in enumerate(params):
        places[tuple(param.shape)].append(place)
    return places


def orthogonal(
    matrices_NRC: Tensor, *, coefficients: tuple[float, float, float], rounds: int, eps: float
) -> Tensor:
    """Each matrix with its singular values brought near 1, by Newton-Schulz iterations."""
    a, b, c = coefficients
    tall = matrices_NRC.shape[1] > matrices_NRC.shape[2]
    x = matrices_NRC.mT if tall else matrices_NRC
    x = x / torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(rounds):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimisers:
    """Both optimisers as one."""

    muon: BatchedMuon
    adamw: torch.optim.AdamW

    def step(self, *, muon_lr: float, adamw_lr: float) -> None:
        """One step at these learning rates; gradients are let go of."""
        for optimiser, lr in ((self.muon, muon_lr), (self.adamw, adamw_lr)):
            for group in optimiser.param_groups:
                group["lr"] = lr
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        return {"muon": self.muon.state_dict(), "adamw": self.adamw.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.muon.load_state_dict(state["muon"])
        self.adamw.load_state_dict(state["adamw"])


def optimisers_of(model: nn.Module, *, weight_decay: float) -> Optimisers:
    """Muon for matrices that turn features into features; AdamW for embeddings, norms and biases."""
    named = list(model.named_parameters())
    hidden = [p for name, p in named if p.ndim == 2 and "embed" not in name]
    other = [p for name, p in named if p.ndim != 2 or "embed" in name]
    fused = other[0].is_cuda
    return Optimisers(
        muon=BatchedMuon(hidden, lr=0.0, weight_decay=weight_decay),
        adamw=torch.optim.AdamW(other, lr=0.0, betas=BETAS, weight_decay=0.0, fused=fused),
    )
