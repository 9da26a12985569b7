"""How a checkpoint sees its clips and writes its boxes: what training has to give it, as indexing does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from grounding.coordinates import Coordinates
from grounding.prompts import PROOFREEL, PromptSet

if TYPE_CHECKING:
    from engines.qwen.checkpoint import Checkpoint
    from engines.qwen.settings import QwenSettings
    from engines.qwen.shapes import Family

_STEPS: dict[Family, int] = {"qwen2_5_vl": 28, "qwen3_vl": 32}
"""Pixels a side of what becomes one feature, in every published checkpoint of the family."""


@dataclass(frozen=True, kw_only=True)
class ModelView:
    """Frames at `rate_hz`, at most `max_frames` a clip, first no longer than `max_side` px, then in multiples
    of `step` px with `least_pixels` to `most_pixels`. The names are those of `engines.qwen.settings`. A
    picture that stands alone may have `picture_most_pixels`, where that is given.
    """

    coordinates: Coordinates
    step: int
    rate_hz: float
    max_frames: int
    max_side: int
    least_pixels: int
    most_pixels: int
    picture_most_pixels: int | None = None
    prompts: PromptSet = field(default=PROOFREEL, repr=False)

    @classmethod
    def of(cls, checkpoint: Checkpoint, *, prompts: PromptSet = PROOFREEL) -> ModelView:
        """As the checkpoint's family and its own settings have it. Raises ValueError for a wrong setting."""
        from engines.qwen.settings import QwenSettings

        settings = QwenSettings().of_checkpoint(checkpoint.own)
        step = checkpoint.shapes.vision.step
        return cls._of(settings, checkpoint.shapes.family, step=step, prompts=prompts)

    @classmethod
    def of_family(cls, family: Family, *, prompts: PromptSet = PROOFREEL) -> ModelView:
        """As the family's published checkpoints have it, which say nothing to Proofreel."""
        from engines.qwen.settings import QwenSettings

        return cls._of(QwenSettings(), family, step=_STEPS[family], prompts=prompts)

    @classmethod
    def _of(cls, settings: QwenSettings, family: Family, *, step: int, prompts: PromptSet) -> ModelView:
        from engines.qwen.shapes import COORDINATES

        return cls(
            coordinates=COORDINATES[family],
            step=step,
            rate_hz=settings.rate_hz,
            max_frames=settings.max_frames,
            max_side=settings.max_side,
            least_pixels=settings.least_pixels,
            most_pixels=settings.most_pixels,
            prompts=prompts,
        )
