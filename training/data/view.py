"""How a checkpoint sees its clips and writes its boxes: what training has to give it, as indexing does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from grounding.coordinates import Coordinates
from grounding.prompts import PROOFREEL, PromptSet

if TYPE_CHECKING:
    from engines.qwen.checkpoint import Checkpoint


@dataclass(frozen=True, kw_only=True)
class ModelView:
    """Frames at `rate_hz`, at most `max_frames` a clip, first no longer than `max_side` px, then in multiples
    of `step` px with `least_pixels` to `most_pixels`. The names are those of `engines.qwen.settings`.
    """

    coordinates: Coordinates
    step: int
    rate_hz: float
    max_frames: int
    max_side: int
    least_pixels: int
    most_pixels: int
    prompts: PromptSet = field(default=PROOFREEL, repr=False)

    @classmethod
    def of(cls, checkpoint: Checkpoint, *, prompts: PromptSet = PROOFREEL) -> ModelView:
        """As the checkpoint's family and its own settings have it. Raises ValueError for a wrong setting."""
        from engines.qwen.settings import QwenSettings
        from engines.qwen.shapes import COORDINATES

        settings = QwenSettings().of_checkpoint(checkpoint.own)
        return cls(
            coordinates=COORDINATES[checkpoint.shapes.family],
            step=checkpoint.shapes.vision.step,
            rate_hz=settings.rate_hz,
            max_frames=settings.max_frames,
            max_side=settings.max_side,
            least_pixels=settings.least_pixels,
            most_pixels=settings.most_pixels,
            prompts=prompts,
        )
