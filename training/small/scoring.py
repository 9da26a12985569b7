"""What answers earn, by a reward set, worked out in processes beside the one that drives the device."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from typing import Literal

import torch
from torch import Tensor

from training.rewards import Reading, RewardOptions, RewardSet, reward_set
from training.small.practice import Practice
from training.small.quiz import Known

Score = Callable[[Sequence[str], Sequence[Known], float], Tensor]
"""Completions, what each is held against, and the progress 0..1 to rewards [R, K]; NaN: does not apply."""


class Scoring:
    """The rewards of a practice. `components` are the K columns, `weights` [K] what each weighs."""

    def __init__(self, practice: Practice) -> None:
        self._terms = (
            practice.rewards,
            practice.sigma_s,
            practice.gate,
            tuple(sorted(practice.weights.items())),
        )
        rewards = _rewards(*self._terms)
        self.components = tuple(rewards.weights)
        self.weights = torch.tensor(list(rewards.weights.values()))
        # Not forked: what drives a GPU must not be copied.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(practice.scorers, mp_context=context) if practice.scorers else None
        self._parts = max(practice.scorers, 1)

    def __call__(self, completions: Sequence[str], known: Sequence[Known], progress: float) -> Tensor:
        """Rewards [R, K] of the completions."""
        rows = list(zip(completions, known, strict=True))
        parts = [rows[k :: self._parts] for k in range(self._parts)]
        earn = partial(_earned, self._terms, progress)
        found = list(map(earn, parts) if self._pool is None else self._pool.map(earn, parts))
        rewards = torch.empty(len(rows), len(self.components))
        for number, part in enumerate(found):
            rewards[number :: self._parts] = torch.tensor(part).view(-1, len(self.components))
        return rewards

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown()


Sigma = float | Literal["annealed"]
Weights = tuple[tuple[str, float], ...]
Terms = tuple[str, Sigma, bool, Weights]


@cache
def _rewards(name: str, sigma_s: Sigma, gate: bool, weights: Weights) -> RewardSet:
    options = RewardOptions(sigma_s=sigma_s, gate=gate, closed_answers=True)
    return reward_set(name, options=options, weights=dict(weights))


def _earned(terms: Terms, progress: float, rows: list[tuple[str, Known]]) -> list[list[float]]:
    rewards = _rewards(*terms)
    return [
        list(
            rewards.score(
                said, known.truth, reading=Reading(duration_s=known.duration_s), progress=progress
            ).values()
        )
        for said, known in rows
    ]
