"""What TRL measures, into a run's metrics: under one set of names, whichever trainer it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from transformers import TrainerCallback

from training.runs import Run

NAMES = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "lr",
    "epoch": "epoch",
    "entropy": "entropy",
    "mean_token_accuracy": "token_accuracy",
    "reward": "reward",
    "reward_std": "reward_std",
    "zero_variance_share": "zero_variance_share",
    "kl": "kl",
    "kl_from_rollout": "kl_from_rollout",
    "clip_ratio/region_mean": "clip_fraction",
    "clip_ratio/low_mean": "clip_low",
    "clip_ratio/high_mean": "clip_high",
    "completions/mean_length": "length",
    "completions/min_length": "length_min",
    "completions/max_length": "length_max",
    "completions/clipped_ratio": "cut_off_share",
}
"""Trainers' names to ours; rewards by component come as `reward_<component>`. The rest is left out."""

_BRIEF = ("loss", "reward", "clip_fraction", "length", "tokens_per_s")


class Recorder(TrainerCallback):
    """Writes a line a logged step, with tokens and examples a second since the last; tells a person a few.

    `examples_a_step` are those of all processes together.
    """

    def __init__(self, run: Run, *, examples_a_step: int, told: Callable[[str], None]) -> None:
        self._run = run
        self._examples_a_step = examples_a_step
        self._told = told
        self._last: tuple[float, int, float] | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._last = (time.perf_counter(), state.global_step, 0.0)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any
    ) -> None:
        if not state.is_world_process_zero or not logs or "loss" not in logs:
            return
        values = {**measured(logs), **self._speed(state.global_step, float(logs.get("num_tokens") or 0))}
        self._run.log(state.global_step, **values)
        brief = ", ".join(f"{name} {values[name]:.4g}" for name in _BRIEF if values.get(name) is not None)
        self._told(f"step {state.global_step} of {state.max_steps}: {brief}")

    def _speed(self, step: int, tokens: float) -> dict[str, float]:
        now = time.perf_counter()
        before, last_step, last_tokens = self._last or (now, step, tokens)
        self._last = (now, step, tokens)
        if step <= last_step:
            return {}
        seconds = now - before
        speed = {"examples_per_s": (step - last_step) * self._examples_a_step / seconds}
        return speed if tokens <= last_tokens else {**speed, "tokens_per_s": (tokens - last_tokens) / seconds}


def measured(logs: Mapping[str, Any]) -> dict[str, float | None]:
    """A trainer's log under our names."""
    found = {ours: logs[theirs] for theirs, ours in NAMES.items() if theirs in logs}
    for name, value in logs.items():
        if name.startswith("rewards/") and name.endswith("/mean"):
            found["reward_" + name.split("/")[1]] = value
    return found
