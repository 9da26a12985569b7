"""How much a plan takes at once, and how work is cut and padded to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engines.qwen.shapes import Shapes
from engines.qwen.vision import Grid
from grounding.errors import EngineError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What plans hold. `rows`: the ends of their ranges of batch sizes, rising; `chunk`: most new tokens a
    row at once; `pictures`: most of them seen at once; `patches`: most of one picture.
    """

    rows: tuple[int, ...]
    chunk: int
    pictures: int
    patches: int

    def __post_init__(self) -> None:
        if not self.rows or list(self.rows) != sorted({*self.rows}) or self.rows[0] < 1:
            raise ValueError(f"rows {list(self.rows)}: give rising numbers of at least 1, as 4,32")
        for name in ("chunk", "pictures", "patches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """The ranges of batch sizes, each with a profile for prefill and one for decode."""
        return tuple(zip((1, *(end + 1 for end in self.rows[:-1])), self.rows, strict=True))

    def windows(self, window_patches: int) -> int:
        """Most windows at once, when a full one has so many patches: twice what full ones would be."""
        return self.pictures * max(2 * self.patches // window_patches, 1)


def padded_rows(rows: int, limits: Limits) -> int:
    """The batch size that `rows` are padded to: a power of two, or the most the plans take.

    Raises EngineError when they take fewer.
    """
    most = limits.rows[-1]
    if rows > most:
        raise EngineError(
            f"{rows} rows at once are more than the {most} that these plans were built for: ask fewer "
            f"questions of fewer clips at once, or build them with `--rows {rows}`"
        )
    return min(1 << (rows - 1).bit_length(), most)


def picture_groups(grids: Sequence[Grid], shapes: Shapes, limits: Limits) -> Iterator[list[Grid]]:
    """The pictures in order, as many at once as the vision plan takes; a video counts as its pictures.

    Raises EngineError for one of more patches than it takes.
    """
    group: list[Grid] = []
    patches = windows = 0
    for times, rows, columns in grids:
        if rows * columns > limits.patches:
            raise EngineError(
                f"a picture of {rows} x {columns} patches is larger than the {limits.patches} that these "
                f"plans take: take smaller frames, or build them with `--patches {rows * columns}`"
            )
        cut = _windows(rows, columns, shapes)
        for _ in range(times):
            full = (
                len(group) == limits.pictures or patches + rows * columns > limits.pictures * limits.patches
            )
            if group and (full or windows + cut > limits.windows(window_patches(shapes))):
                yield group
                group, patches, windows = [], 0, 0
            group.append((1, rows, columns))
            patches, windows = patches + rows * columns, windows + cut
    if group:
        yield group


def window_patches(shapes: Shapes) -> int:
    """Patches in a full window of Qwen2.5-VL's vision tower, one where there are none."""
    side = max(shapes.vision.window // shapes.vision.patch, 1)
    return side**2


def _windows(rows: int, columns: int, shapes: Shapes) -> int:
    side = max(shapes.vision.window // shapes.vision.patch, 1)
    return -(-rows // side) * -(-columns // side)
