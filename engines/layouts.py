"""How frames and their times are written into a prompt: templates for training, evaluation and indexing.

    open-o3       Frame 1 at 0.00s: <picture>        one picture a frame (Open-o3 Video, arXiv 2510.20579)
    qwen3-native  <0.3 seconds><picture>             one picture a temporal patch, at its frames' mean time
    stamped       0.0<sec><picture>                  one picture a frame, time as tokens; no chat words

Times are seconds from the start of the clip. What a user or a file says is written as plain text: no words of
theirs become a control token.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from engines.qwen.prompt import Picture, Piece, Words
from engines.qwen.shapes import Family, Shapes

LayoutName = Literal["open-o3", "qwen3-native", "stamped"]
LAYOUTS: tuple[LayoutName, ...] = get_args(LayoutName)

DEFAULT_LAYOUT: dict[Family, LayoutName] = {"qwen2_5_vl": "open-o3", "qwen3_vl": "qwen3-native"}

DESCRIBE_WORDS = "Describe what happens."
"""What stands in the user's turn where there is no question."""


class Tokenizer(Protocol):
    """Text to token ids and back."""

    def markup(self, text: str) -> tuple[int, ...]:
        """Ids of text whose control tokens are meant."""
        ...

    def plain(self, text: str) -> tuple[int, ...]:
        """Ids of text that means nothing but itself."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One picture of the prompt: which frames of the clip it shows (as many as a temporal patch holds)."""

    frames: tuple[int, ...]
    time_s: float


def shown(layout: LayoutName, times_s: Sequence[float], *, temporal: int) -> list[Shown]:
    """The pictures that stand for frames at `times_s`, each of `temporal` frames; the last may repeat."""
    if layout == "qwen3-native":
        groups = [
            [min(k, len(times_s) - 1) for k in range(start, start + temporal)]
            for start in range(0, len(times_s), temporal)
        ]
        # HF's processor names the mean of a patch's first and last frame.
        return [Shown(frames=tuple(g), time_s=(times_s[g[0]] + times_s[g[-1]]) / 2) for g in groups]
    return [Shown(frames=(k,) * temporal, time_s=time_s) for k, time_s in enumerate(times_s)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A template with what it needs to write prompts."""

    name: LayoutName
    tokenizer: Tokenizer
    shapes: Shapes

    def prefix(self, pictures: Sequence[Shown], *, system: str, rows: int, columns: int) -> list[Piece]:
        """All that comes before a question: system words and the clip, in grids of rows x columns patches."""
        pieces: list[Piece] = []
        if self.name != "stamped":
            pieces += [self._markup("<|im_start|>system\n"), Words(self.tokenizer.plain(system))]
            pieces += [self._markup("<|im_end|>\n<|im_start|>user\n")]
        stamp = _STAMPS[self.name]
        is_video = self.name == "qwen3-native"
        token = self.shapes.video_token if is_video else self.shapes.image_token
        for number, picture in enumerate(pictures, start=1):
            before, after = stamp(number, picture.time_s)
            pieces += [
                Words((*self.tokenizer.markup(before), self.shapes.vision_start_token)),
                Picture(grid=(1, rows, columns), token=token),
                Words((self.shapes.vision_end_token, *self.tokenizer.markup(after))),
            ]
        return pieces

    def question(self, text: str) -> tuple[int, ...]:
        """Ids of the question, up to where the answer begins."""
        asked = self.tokenizer.plain(text or DESCRIBE_WORDS)
        if self.name == "stamped":
            return (*asked, *self.tokenizer.markup("\n"))
        return (*asked, *self.tokenizer.markup("<|im_end|>\n<|im_start|>assistant\n"))

    def answer(self, text: str, *, stops: Collection[int]) -> tuple[int, ...]:
        """Ids of a whole answer, with the token that ends it: what a model is taught to write.

        Raises ValueError where the layout's end is not among the checkpoint's `stops`.
        """
        end = (min(stops),) if self.name == "stamped" else self.tokenizer.markup("<|im_end|>")
        if len(end) != 1 or end[0] not in stops:
            raise ValueError(
                f"layout {self.name} ends an answer with token {list(end)}, which is none of the "
                f"checkpoint's eos_token_id {sorted(stops)}: add it to generation_config.json"
            )
        return (*self.tokenizer.plain(text), *end)

    def _markup(self, text: str) -> Words:
        return Words(self.tokenizer.markup(text))


_STAMPS: dict[LayoutName, Callable[[int, float], tuple[str, str]]] = {
    "open-o3": lambda number, time_s: (f"Frame {number} at {time_s:.2f}s: ", "\n"),
    "qwen3-native": lambda number, time_s: (f"<{time_s:.1f} seconds>", ""),
    "stamped": lambda number, time_s: (f"{time_s:.1f}<sec>", ""),
}
