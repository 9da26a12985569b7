"""Lessons handed to TRL where it expects a processor: the prompts that it scores are those that engines ask.

TRL renders a prompt as text and makes text into ids. Words from outside must not become control tokens on
that way, and layouts write ids and not text: so the text of a prompt is the number of its lesson here.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import BatchFeature, PreTrainedTokenizerFast, ProcessorMixin

from training.lessons import Lesson, Teacher

KEPT_FILES = (
    "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json",
    "video_preprocessor_config.json", "chat_template.json", "chat_template.jinja", "vocab.json", "merges.txt",
    "special_tokens_map.json", "added_tokens.json",
)  # fmt: skip
"""What stands beside the weights of a checkpoint and is not changed by training."""


class LessonProcessor(ProcessorMixin):
    """Ids and pixels of the lessons in hand (`show`), and texts of sampled ids.

    `folder` is where the checkpoint lies: its tokenizer and pictures' numbers go with everything saved.
    """

    def __init__(self, teacher: Teacher, *, folder: Path) -> None:
        self.teacher = teacher
        self.folder = folder
        self.chat_template = None
        self.tokenizer = _tokenizer(teacher, folder)
        self.image_token_id = teacher.layout.shapes.image_token
        self._shown: dict[int, Lesson] = {}

    def show(self, lessons: Mapping[int, Lesson]) -> None:
        """Take these lessons, by their numbers, in the place of those before."""
        self._shown = dict(lessons)

    def lessons(self, prompts: Sequence[Sequence[Mapping[str, Any]]]) -> list[Lesson]:
        """The lessons that prompts ask for."""
        return [self._shown[number_of(prompt)] for prompt in prompts]

    def apply_chat_template(  # type: ignore[override]
        self, conversation: Sequence[Mapping[str, Any]], **_: Any
    ) -> str:
        """The text of a prompt: its number."""
        return str(number_of(conversation))

    def __call__(self, *, images: Any = None, text: Sequence[str] = (), **_: Any) -> BatchFeature:
        """The inputs of the numbered lessons, padded on the left; `images` are theirs already."""
        batch = self.teacher.batch([self._shown[int(number)] for number in text], padding="left")
        del batch["labels"]
        return BatchFeature(batch)

    def batch_decode(self, sequences: Sequence[Sequence[int]], **_: Any) -> list[str]:
        """Texts, control tokens left out."""
        return [self.teacher.words.text(ids) for ids in sequences]

    def save_pretrained(  # type: ignore[override]
        self, save_directory: str, **_: Any
    ) -> list[str]:
        """Put the checkpoint's own files there, as they are."""
        there = [self.folder / name for name in KEPT_FILES if (self.folder / name).is_file()]
        return [shutil.copy(file, save_directory) for file in there]

    def __repr__(self) -> str:
        return f"LessonProcessor(layout={self.teacher.layout.name!r}, folder={str(self.folder)!r})"


def prompt_of(number: int, *, system: str, question: str) -> list[dict[str, Any]]:
    """A prompt as TRL carries it about: words to be logged, and the number of the lesson that is asked."""
    return [{"role": "system", "content": system}, {"role": "user", "content": question, "lesson": number}]


def number_of(prompt: Sequence[Mapping[str, Any]]) -> int:
    """The number in a prompt that `prompt_of` made."""
    return int(prompt[-1]["lesson"])


def _tokenizer(teacher: Teacher, folder: Path) -> Any:
    """What TRL wants to know of a tokenizer: which ids end an answer and fill a row."""
    (end,) = teacher.layout.answer("", stops=teacher.stops)
    fill = end if teacher.fill is None else teacher.fill
    found: Any = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))  # type: ignore[no-untyped-call]
    names = dict(zip(("eos_token", "pad_token"), found.convert_ids_to_tokens([end, fill]), strict=True))
    found.add_special_tokens(names, replace_extra_special_tokens=False)
    return found
