"""A reward set as functions that TRL's trainers call: one a component, named for the log.

They read these columns of the data beside `prompt`: `truth` (as `truth_column` writes it), `duration_s` of
the clip and, for models that write boxes in pixels, `frame_size` [width, height].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

from pydantic import TypeAdapter

from grounding.coordinates import Coordinates
from training.rewards.reading import Reading
from training.rewards.sets import RewardSet
from training.truth import Truth

RewardFunction = Callable[..., list[float | None]]

REMEMBERED = 4096
"""Completions whose components are kept: TRL asks for each component of a batch apart."""


def truth_column(truth: Truth) -> str:
    """A truth as text, for a column of a data set."""
    return _truths().dump_json(truth).decode()


def read_truth(text: str) -> Truth:
    """What `truth_column` wrote. Raises ValueError for anything else."""
    return _truths().validate_json(text)


def reward_functions(rewards: RewardSet, *, coordinates: Coordinates) -> list[RewardFunction]:
    """One function a component, in the order of `rewards.weights`; None stands for one that does not apply.

    Progress is read from the `trainer_state` that TRL passes: the step, of all steps.
    """

    @lru_cache(maxsize=REMEMBERED)
    def scores(
        completion: str, truth: str, duration_s: float, size: tuple[int, int] | None, progress: float
    ) -> dict[str, float]:
        reading = Reading(duration_s=duration_s, coordinates=coordinates, frame_size=size)
        return rewards.score(completion, read_truth(truth), reading=reading, progress=progress)

    def function(component: str) -> RewardFunction:
        def reward(
            prompts: Sequence[Any],
            completions: Sequence[Any],
            *,
            truth: Sequence[str],
            duration_s: Sequence[float],
            trainer_state: Any,
            frame_size: Sequence[Sequence[int]] | None = None,
            **others: Any,
        ) -> list[float | None]:
            sizes = [None] * len(truth) if frame_size is None else [(w, h) for w, h in frame_size]
            progress = progress_of(trainer_state)
            rows = zip(completions, truth, duration_s, sizes, strict=True)
            found = (
                scores(text_of(said), true, seconds, size, progress)[component]
                for said, true, seconds, size in rows
            )
            return [None if value != value else value for value in found]

        reward.__name__ = component
        return reward

    return [function(component) for component in rewards.weights]


def progress_of(trainer_state: Any) -> float:
    """How much of the training is done, 0..1, from a `transformers.TrainerState`."""
    steps = trainer_state.max_steps
    return min(trainer_state.global_step / steps, 1.0) if steps > 0 else 0.0


def text_of(completion: Any) -> str:
    """The text of a completion as TRL passes it: a string, or messages with a text or with parts."""
    if isinstance(completion, str):
        return completion
    content = completion[-1]["content"] if completion else ""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part.get("type") == "text")


@cache
def _truths() -> TypeAdapter[Truth]:
    return TypeAdapter(Truth)
