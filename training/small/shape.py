"""How big the small model is, and how its prompt lies: so many tokens a frame, then the words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

SizeName = Literal["S", "tiny"]
SIZE_NAMES: tuple[SizeName, ...] = get_args(SizeName)

SIDE = 128
"""Width and height of a frame in px."""

PATCH, MERGE = 8, 2
PATCHES_A_SIDE = SIDE // PATCH
FEATURES_A_SIDE = PATCHES_A_SIDE // MERGE
FEATURES = FEATURES_A_SIDE**2
"""Image tokens a frame."""

STAMP = 4
"""Tokens of a frame's time: "3", ".", "5" and "<sec>"."""

BEFORE, AFTER = STAMP + 1, 1
"""Tokens around a frame's features: its time and vision_start, then vision_end."""

STRIDE = BEFORE + FEATURES + AFTER
"""Tokens a frame."""

NUMBERS = 1000
"""Whole numbers 0..999 are tokens of their own, the last of the vocabulary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Widths and depths of the two halves; `ffn` is the decoder's, the vision tower's is 4 x its width."""

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    mrope_section: tuple[int, int, int]
    vision_hidden: int
    vision_depth: int
    vision_heads: int


SIZES: dict[SizeName, Size] = {
    "S": Size(
        hidden=384, layers=8, heads=6, kv_heads=2, head_dim=64, ffn=1024, mrope_section=(12, 10, 10),
        vision_hidden=192, vision_depth=6, vision_heads=6,
    ),
    "tiny": Size(
        hidden=64, layers=2, heads=2, kv_heads=1, head_dim=32, ffn=128, mrope_section=(6, 5, 5),
        vision_hidden=64, vision_depth=2, vision_heads=2,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIds:
    """The size of a vocabulary and the ids in it that stand for something else than words."""

    vocabulary: int
    pad: int
    eos: int
    vision_start: int
    vision_end: int
    image: int
    video: int
    box_open: int
    box_close: int

    @property
    def first_number(self) -> int:
        """The id of 0; those of 1 to 999 follow."""
        return self.vocabulary - NUMBERS

    @property
    def vision(self) -> tuple[int, ...]:
        """Ids that the model may never write: an emitted one would ask for a picture that isn't there."""
        return tuple(sorted({self.vision_start, self.vision_end, self.image, self.video}))


def head_length(frames: int) -> int:
    """Tokens of so many frames: what comes before the words."""
    return frames * STRIDE
