"""The two sets of rewards by name, what their parts weigh, and their sum."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol, get_args

from training.rewards import open_o3, proofreel
from training.rewards.reading import Reading, RewardOptions
from training.truth import Truth

RewardSetName = Literal["open-o3", "proofreel"]
REWARD_SETS: tuple[RewardSetName, ...] = get_args(RewardSetName)


class Scorer(Protocol):
    """What gives a completion its components, 0..1 each, NaN for one that does not apply."""

    def __call__(
        self, completion: str, truth: Truth, /, *, reading: Reading, options: RewardOptions, progress: float
    ) -> dict[str, float]: ...


@dataclass(frozen=True, kw_only=True)
class RewardSet:
    """Named components with their weights, in a fixed order."""

    name: RewardSetName
    weights: Mapping[str, float]
    options: RewardOptions
    scorer: Scorer = field(repr=False)

    def score(self, completion: str, truth: Truth, *, reading: Reading, progress: float) -> dict[str, float]:
        """Every component of a completion; NaN where it does not apply. Total: no text raises.

        `progress` of the training, 0..1, sets how near in time a claim must be (see `RewardOptions`).
        """
        if not 0.0 <= progress <= 1.0:
            raise ValueError(f"progress runs from 0 to 1, not {progress}")
        return self.scorer(completion, truth, reading=reading, options=self.options, progress=progress)

    def total(self, scores: Mapping[str, float]) -> float:
        """The weighted sum of what applies."""
        return sum(self.weights[name] * value for name, value in scores.items() if not math.isnan(value))


_SCORERS: dict[RewardSetName, tuple[Scorer, tuple[str, ...]]] = {
    "open-o3": (open_o3.score, open_o3.COMPONENTS),
    "proofreel": (proofreel.score, proofreel.COMPONENTS),
}


def reward_set(
    name: str, *, options: RewardOptions | None = None, weights: Mapping[str, float] | None = None
) -> RewardSet:
    """The set of that name. `weights` changes those of some components; the rest weigh 1.

    Raises ValueError for an unknown set or component, and says which there are.
    """
    if name not in REWARD_SETS:
        raise ValueError(f"no reward set named {name!r}; there are: {', '.join(REWARD_SETS)}")
    scorer, components = _SCORERS[name]
    given = weights or {}
    unknown = sorted(set(given) - set(components))
    if unknown:
        raise ValueError(
            f"reward set {name} has no {', '.join(unknown)}; its components are: {', '.join(components)}"
        )
    return RewardSet(
        name=name,
        weights=MappingProxyType({part: float(given.get(part, 1.0)) for part in components}),
        options=options or RewardOptions(),
        scorer=scorer,
    )
