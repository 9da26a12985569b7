"""How a completion is read before it is scored, and what can be chosen about scoring it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grounding.coordinates import Coordinates, scale_of
from grounding.evidence import Answer, Span
from grounding.grammar import parse

FIRST_SIGMA_S = 4.0
LAST_SIGMA_S = 1.0
ANNEALED_UNTIL = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The clip that a completion speaks of: its length in seconds, and how the model writes boxes.

    `frame_size` is the width and height in px of the frame that the model was fed; "pixels" needs it.
    """

    duration_s: float
    coordinates: Coordinates = "relative-1000"
    frame_size: tuple[int, int] | None = None

    def parse(self, completion: str) -> Answer:
        """The completion as evidence; times count from the start of the clip."""
        return parse(
            completion,
            segment=Span(0.0, self.duration_s),
            coordinates=self.coordinates,
            frame_size=self.frame_size,
        )

    @property
    def scale(self) -> tuple[int, int]:
        """What stands for the full width and height of the frame in the text."""
        return scale_of(self.coordinates, self.frame_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardOptions:
    """`sigma_s`: how far off, in seconds, a claim still counts for much: "annealed" follows Open-o3 Video.

    `gate`: a box far in time from what it should show counts nothing. `closed_answers`: an answer that is no
    letter is right or wrong as a whole, instead of sharing words with the true one.
    """

    sigma_s: float | Literal["annealed"] = "annealed"
    gate: bool = True
    closed_answers: bool = False

    def __post_init__(self) -> None:
        if self.sigma_s != "annealed" and not self.sigma_s > 0.0:
            raise ValueError(f"sigma must be above 0 s or 'annealed', not {self.sigma_s}")

    def sigma_at(self, progress: float) -> float:
        """Sigma in seconds at `progress` 0..1 of the training: 4 s at first, 1 s from three quarters on."""
        if self.sigma_s != "annealed":
            return self.sigma_s
        return FIRST_SIGMA_S * (1.0 - progress) if progress < ANNEALED_UNTIL else LAST_SIGMA_S
