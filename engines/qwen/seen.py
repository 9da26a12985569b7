"""A clip as a network sees it, and the prompt that shows it: the same for indexing and for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from engines.layouts import Layout, Shown, shown
from engines.qwen.pixels import Bytes, fitted, patches, resized
from engines.qwen.prompt import Prompt, prompt_of
from video.frames import Images


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Pictures, their patches as bytes [N, patch values], rows and columns of patches in each, and the frames
    [T, H, W, 3] of the size (width, height) in px that is fed.
    """

    pictures: tuple[Shown, ...]
    values: Bytes = field(repr=False)
    rows: int
    columns: int
    frames: Images = field(repr=False)

    @property
    def size(self) -> tuple[int, int]:
        return int(self.frames.shape[2]), int(self.frames.shape[1])


def see(
    images: Images, times_s: Sequence[float], *, layout: Layout, least_pixels: int, most_pixels: int
) -> Seen:
    """Frames [N, H, W, 3] at `times_s` from the clip's start, resized to `least_pixels`..`most_pixels`."""
    shape = layout.shapes.vision
    height, width = images.shape[1:3]
    size = fitted(int(width), int(height), step=shape.step, least=least_pixels, most=most_pixels)
    pictures = tuple(shown(layout.name, times_s, temporal=shape.temporal))
    frames = resized(images, size)
    values, (rows, columns) = patches(frames, [picture.frames for picture in pictures], shape=shape)
    return Seen(pictures=pictures, values=values, rows=rows, columns=columns, frames=frames)


def prompt_before_question(seen: Seen, *, layout: Layout, system: str) -> Prompt:
    """All that the network reads before the question."""
    pieces = layout.prefix(seen.pictures, system=system, rows=seen.rows, columns=seen.columns)
    return prompt_of(pieces, layout.shapes)
