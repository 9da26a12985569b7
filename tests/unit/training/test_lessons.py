"""Lessons: what a trainer feeds is what an engine asks, token for token and position for position."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engines.contract import Question
from engines.qwen.checkpoint import open_checkpoint
from engines.qwen.generation import Generator
from engines.qwen.sampling import Sampling
from engines.qwen.settings import QwenSettings
from engines.qwen.shapes import FAMILIES, Family
from engines.transformers import load
from grounding.evidence import Span
from tests import tiny_qwen
from tests.schooling import RIGHT, Shot, recipe, teacher
from training.lessons import IGNORED, Lesson, Teacher
from training.student import own_section
from video.frames import Clip

LAYOUTS = ("open-o3", "stamped")


@pytest.fixture(scope="module", params=FAMILIES)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen.save_checkpoint(tmp_path_factory.mktemp("ck"), request.param)


def family_of(checkpoint: Path) -> Family:
    return open_checkpoint(str(checkpoint)).shapes.family


def taught_by(checkpoint: Path, *, layout: str | None = "open-o3") -> Teacher:
    return teacher(checkpoint, recipe(checkpoint, family_of(checkpoint), model={"layout": layout}))


def lesson_of(shot: Shot, own: Teacher, *, answered: bool = True) -> Lesson:
    answer = shot.completion if answered else None
    return own.lesson(shot.frames, shot.times_s, system=shot.system, question=shot.question, answer=answer)


def clip_of(shot: Shot, *, begins_s: float) -> Clip:
    count = len(shot.times_s)
    return Clip(
        path=Path("clip.mp4"),
        time_base=Fraction(1, 1000),
        window=Span(begins_s, begins_s + shot.duration_s),
        images=shot.frames,
        pts=np.arange(count, dtype=np.int64),
        times_s=begins_s + np.array(shot.times_s),
        durations_s=np.full(count, 0.5),
    )


def asked_by_engine(checkpoint: Path, own: Teacher, shot: Shot, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The prefix and ask that an engine of the checkpoint answers to, for the same clip."""
    table = json.loads((checkpoint / "config.json").read_text())
    table["proofreel"] = own_section(own)
    (checkpoint / "config.json").write_text(json.dumps(table))
    seen: list[Any] = []
    write = Generator.write

    def noted(self: Any, prefixes: Any, asks: Any, sampling: Any) -> Any:
        seen.extend([*prefixes, *asks])
        return write(self, prefixes, asks, sampling)

    monkeypatch.setattr(Generator, "write", noted)
    engine = load(str(checkpoint), device="cpu", settings=QwenSettings(sampling=Sampling(max_new=1)))
    engine.answer(clip_of(shot, begins_s=7.0), [Question(text=shot.question, task=shot.task)])
    prefix, ask = seen
    return prefix.prompt, ask, engine


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_ids_and_positions_taught_are_those_that_the_engine_asks(
    checkpoint: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot, own = Shot(number=3), taught_by(checkpoint, layout=layout)
    lesson = lesson_of(shot, own, answered=False)
    prompt, ask, _ = asked_by_engine(checkpoint, own, shot, monkeypatch)
    assert list(lesson.prompt) == [*prompt.ids.tolist(), *ask.ids]
    words = torch.arange(len(ask.ids)) + prompt.next_position
    expected = torch.cat([prompt.positions, words.expand(3, -1)], dim=1)
    assert torch.equal(positions_in_trainer(checkpoint, own, lesson), expected)


def positions_in_trainer(checkpoint: Path, own: Teacher, lesson: Lesson) -> torch.Tensor:
    """The positions [3, S] that the stock model gives to the trainer's inputs."""
    batch = own.batch([lesson], padding="right")
    model = tiny_qwen.model(family_of(checkpoint)).model
    found, _ = model.get_rope_index(
        batch["input_ids"], batch["mm_token_type_ids"],
        image_grid_thw=batch["image_grid_thw"], attention_mask=batch["attention_mask"],
    )  # fmt: skip
    positions: torch.Tensor = found[:, 0]
    return positions


def test_the_pixels_taught_are_those_that_the_engine_sees(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shot, own = Shot(number=4), taught_by(checkpoint)
    _, _, engine = asked_by_engine(checkpoint, own, shot, monkeypatch)
    seen = engine._seen(clip_of(shot, begins_s=7.0))
    assert np.array_equal(seen.values, lesson_of(shot, own).seen.values)


def test_a_checkpoint_of_the_video_layout_is_taught_in_pictures(tmp_path: Path) -> None:
    native = tiny_qwen.save_checkpoint(tmp_path, "qwen3_vl")
    assert open_checkpoint(str(native)).layout == "qwen3-native"
    own = taught_by(native, layout=None)
    assert own.layout.name == "open-o3"
    assert own_section(own)["layout"] == "open-o3"
    image, video = own.layout.shapes.image_token, own.layout.shapes.video_token
    prompt = lesson_of(Shot(number=0), own).prompt
    assert image in prompt and video not in prompt


@pytest.mark.parametrize("padding", ["left", "right"])
def test_prompts_and_padding_carry_no_label(checkpoint: Path, padding: Any) -> None:
    own = taught_by(checkpoint)
    lessons = [lesson_of(Shot(number=0), own), lesson_of(Shot(number=1, times_s=(0.0,)), own)]
    batch = own.batch(lessons, padding=padding)
    for row, lesson in enumerate(lessons):
        ids, mask, labels = (batch[name][row] for name in ("input_ids", "attention_mask", "labels"))
        assert ids[mask == 1].tolist() == [*lesson.prompt, *lesson.answer]
        assert labels[labels != IGNORED].tolist() == list(lesson.answer)
        taught = torch.where(labels != IGNORED)[0]
        assert torch.equal(ids[taught], labels[taught]) and bool((mask[taught] == 1).all())
    assert len(batch["image_grid_thw"]) == 3 + 1
    assert batch["pixel_values"].shape[0] == batch["image_grid_thw"].prod(dim=1).sum()


def test_an_answer_is_taught_with_its_end(checkpoint: Path) -> None:
    own = taught_by(checkpoint)
    answer = lesson_of(Shot(number=0), own).answer
    assert own.words.text(answer) == RIGHT
    assert answer[-1] == tiny_qwen.ids()["<|im_end|>"] and answer.count(answer[-1]) == 1


def test_control_tokens_in_rows_are_spelled_out_and_never_meant(checkpoint: Path) -> None:
    own = taught_by(checkpoint)
    nasty = "say <|im_end|> or <|image_pad|>"
    plain = lesson_of(Shot(number=0), own)
    lesson = lesson_of(Shot(number=0, question=nasty, completion=nasty), own)
    for name in ("<|im_end|>", "<|image_pad|>"):
        token = tiny_qwen.ids()[name]
        assert lesson.prompt.count(token) == plain.prompt.count(token)
        assert lesson.answer.count(token) == plain.answer.count(token)
    assert own.words.text(lesson.answer) == nasty


def test_an_end_that_the_checkpoint_does_not_stop_at_is_refused(checkpoint: Path) -> None:
    own = taught_by(checkpoint)
    with pytest.raises(ValueError, match="none of the checkpoint's eos_token_id"):
        own.layout.answer("x", stops=frozenset({0}))
