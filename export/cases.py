"""What an export is asked in a parity check: made from a seed, and small, whatever the network's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engines.qwen.prompt import Picture, Piece, Words
from engines.qwen.shapes import Shapes
from engines.qwen.vision import Grid

NUM_NEW = 64
"""Tokens of an answer that are compared."""

LONG = 2_100
"""Tokens of the long prompt: attention kernels have been wrong at long context only."""

_SECONDS_A_PATCH = 1.5

_ZOO: tuple[tuple[Grid, ...], ...] = (
    ((1, 1, 1),),
    ((2, 5, 6),),
    ((2, 4, 6), (3, 4, 6)),
    ((1, 4, 6), (1, 8, 4)),
    ((3, 3, 5), (1, 9, 2), (2, 6, 6)),
)
"""Grids in merged squares: one frame, windows that are cut, sizes mixed."""


@dataclass(frozen=True, kw_only=True)
class Medium:
    """A picture or a video: its grid, its normalised patches [N, patch values], and how it is told apart."""

    grid: Grid
    patches: Tensor = field(repr=False)
    is_video: bool


@dataclass(frozen=True, kw_only=True)
class Case:
    """A prompt: `pieces` with `media` in their order, then the question's tokens `ask`."""

    name: str
    pieces: tuple[Piece, ...] = field(repr=False)
    media: tuple[Medium, ...]
    ask: tuple[int, ...] = field(repr=False)

    def tokens(self, shapes: Shapes) -> tuple[list[int], list[int]]:
        """Every token id, and what each is by HF's count: 0 a word, 1 of an image, 2 of a video."""
        ids: list[int] = []
        kinds: list[int] = []
        for piece in self.pieces:
            if isinstance(piece, Words):
                ids += piece.ids
                kinds += [0] * len(piece.ids)
            else:
                frames, rows, columns = piece.grid
                count = frames * rows * columns // shapes.vision.merge**2
                ids += [piece.token] * count
                kinds += [2 if piece.token == shapes.video_token else 1] * count
        return [*ids, *self.ask], [*kinds, *[0] * len(self.ask)]


class CaseMaker:
    """Makes cases for one network, all from one seed."""

    def __init__(self, shapes: Shapes, *, seed: int = 0) -> None:
        self._shapes = shapes
        self._generator = torch.Generator().manual_seed(seed)

    def short(self) -> list[Case]:
        """Text, an image, a video, both, and both in another order and size."""
        image, video = self.image, self.video
        return [
            self._case("text", [], num_words=40, num_asked=8),
            self._case("image", [image(4, 6)], num_words=3, num_asked=5),
            self._case("video", [video(3, 4, 6)], num_words=4, num_asked=2),
            self._case("image and video", [image(4, 4), video(3, 4, 5)], num_words=3, num_asked=3),
            self._case("video and image", [video(2, 3, 4), image(5, 3)], num_words=5, num_asked=7),
        ]

    def long(self, max_length: int) -> Case:
        """An image and 2,100 tokens, or as many as fit beside the answer."""
        num_words = min(LONG, max_length - NUM_NEW - 8 - 5 * 7 - 4)
        return self._case("long", [self.image(5, 7)], num_words=num_words, num_asked=8)

    def zoo(self) -> list[list[Medium]]:
        """Lists of pictures to be seen at once."""
        return [[self._medium(grid, is_video=True) for grid in grids] for grids in _ZOO]

    def image(self, rows: int, columns: int) -> Medium:
        """A picture of so many merged squares."""
        return self._medium((1, rows, columns), is_video=False)

    def video(self, frames: int, rows: int, columns: int) -> Medium:
        """A video of so many temporal patches and merged squares."""
        return self._medium((frames, rows, columns), is_video=True)

    def _medium(self, squares: Grid, *, is_video: bool) -> Medium:
        vision = self._shapes.vision
        grid = (squares[0], squares[1] * vision.merge, squares[2] * vision.merge)
        size = (grid[0] * grid[1] * grid[2], vision.patch_values)
        return Medium(grid=grid, patches=torch.randn(size, generator=self._generator), is_video=is_video)

    def _case(self, name: str, media: Sequence[Medium], *, num_words: int, num_asked: int) -> Case:
        pieces: list[Piece] = [Words(self._words(num_words))]
        for medium in media:
            pieces += self._shown(medium)
        return Case(name=name, pieces=tuple(pieces), media=tuple(media), ask=self._words(num_asked))

    def _shown(self, medium: Medium) -> list[Piece]:
        """The medium in a prompt; Qwen3-VL writes a video as one picture a patch of time."""
        shapes, (frames, rows, columns) = self._shapes, medium.grid
        token = shapes.video_token if medium.is_video else shapes.image_token
        begin, end = Words((shapes.vision_start_token,)), Words((shapes.vision_end_token,))
        if not medium.is_video or shapes.family != "qwen3_vl":
            step = shapes.vision.tokens_a_second * _SECONDS_A_PATCH if medium.is_video else 1.0
            return [begin, Picture(grid=medium.grid, token=token, step=step), end]
        one = Picture(grid=(1, rows, columns), token=token)
        return [piece for _ in range(frames) for piece in (Words(self._words(2)), begin, one, end)]

    def _words(self, count: int) -> tuple[int, ...]:
        """Ids of anything but pictures."""
        special = self._shapes.vision_tokens
        drawn = torch.randint(
            self._shapes.text.vocabulary - len(special), (count,), generator=self._generator
        )
        for token in sorted(special):
            drawn += drawn >= token
        return tuple(drawn.tolist())


def seconds_a_patch(case: Case) -> list[float]:
    """What HF's Qwen2.5-VL wants to know of each video."""
    return [_SECONDS_A_PATCH for medium in case.media if medium.is_video]
