"""What a trainer feeds to a network: a clip, a question and perhaps an answer as token ids and patches.

The ids are those that `engines.layouts` writes for indexing, and the patches those that an engine sees.
Shapes: B lessons, S tokens, N patches, P pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from engines.layouts import Layout, LayoutName
from engines.qwen.pixels import Normalisation
from engines.qwen.seen import Seen, prompt_before_question, see
from engines.qwen.words import Words
from video.frames import Images

if TYPE_CHECKING:
    from engines.qwen.checkpoint import Checkpoint
    from training.recipe import Frames

IGNORED = -100
"""The label of a token that is not learned from."""

TAUGHT_LAYOUT: dict[LayoutName, LayoutName] = {
    "open-o3": "open-o3",
    "stamped": "stamped",
    "qwen3-native": "open-o3",  # TRL scores a video part without its pixels, and says nothing
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """Ids of the prompt and of the answer (none where it is to be sampled), and what is seen."""

    prompt: tuple[int, ...] = field(repr=False)
    answer: tuple[int, ...] = field(repr=False)
    seen: Seen

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.answer)


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """Writes lessons for one checkpoint, as its engine would ask. Its config pads with the id `fill`."""

    words: Words
    layout: Layout
    normalisation: Normalisation
    stops: frozenset[int]
    fill: int | None
    frames: Frames

    def lesson(
        self,
        images: Images,
        times_s: Sequence[float],
        *,
        system: str,
        question: str,
        answer: str | None = None,
    ) -> Lesson:
        """Frames [N, H, W, 3] at `times_s` from the start of the clip, a question, and what to answer."""
        own = self.frames
        seen = see(
            images,
            times_s,
            layout=self.layout,
            least_pixels=own.least_pixels,
            most_pixels=max(own.most_pixels, own.picture_most_pixels),  # they come at their size
        )
        before = prompt_before_question(seen, layout=self.layout, system=system)
        taught = () if answer is None else self.layout.answer(answer, stops=self.stops)
        return Lesson(
            prompt=(*before.ids.tolist(), *self.layout.question(question)), answer=taught, seen=seen
        )

    def batch(self, lessons: Sequence[Lesson], *, padding: Literal["left", "right"]) -> dict[str, Tensor]:
        """Inputs of the network [B, S] with `labels`, pixels [N, patch values] and grids [P, 3]."""
        longest = max(lesson.length for lesson in lessons)
        rows = [self._row(lesson, longest - lesson.length, padding=padding) for lesson in lessons]
        found = {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}
        shape = self.layout.shapes.vision
        found["pixel_values"] = torch.cat(
            [self.normalisation.apply(torch.from_numpy(x.seen.values), shape=shape) for x in lessons]
        )
        found["image_grid_thw"] = torch.tensor(
            [(1, x.seen.rows, x.seen.columns) for x in lessons for _ in x.seen.pictures]
        )
        return found

    def _row(
        self, lesson: Lesson, missing: int, *, padding: Literal["left", "right"]
    ) -> dict[str, list[int]]:
        image, pad = self.layout.shapes.image_token, min(self.stops)
        ids = [*lesson.prompt, *lesson.answer]
        row = {
            "input_ids": (ids, pad),
            "attention_mask": ([1] * len(ids), 0),
            "labels": ([IGNORED] * len(lesson.prompt) + list(lesson.answer), IGNORED),
            "mm_token_type_ids": ([int(token == image) for token in ids], 0),
        }
        if padding == "right":
            return {name: values + [fill] * missing for name, (values, fill) in row.items()}
        return {name: [fill] * missing + values for name, (values, fill) in row.items()}


def teacher_of(checkpoint: Checkpoint, *, layout: LayoutName | None, frames: Frames) -> Teacher:
    """The teacher of a checkpoint, in `layout` or in what its own can be trained in."""
    words = Words(checkpoint.path)
    name = layout or TAUGHT_LAYOUT[checkpoint.layout]
    return Teacher(
        words=words,
        layout=Layout(name=name, tokenizer=words, shapes=checkpoint.shapes),
        normalisation=checkpoint.normalisation,
        stops=checkpoint.stops,
        fill=checkpoint.config.text_config.pad_token_id,
        frames=frames,
    )
