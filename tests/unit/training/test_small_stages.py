"""What a stage of the small model's training shows."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from training.small.proofworld import proofworld
from training.small.stages import Lesson, Stage
from training.world.pictures import NO_CUTOUTS


def stage(**changes: object) -> Stage:
    settings = {"name": "one", "mix": {"where": 1.0}, "frames": 2, "batch": 2, "steps": 8, "text_len": 60}
    return Stage.model_validate({**settings, **changes})


def ids(which: Stage, k: int, *, number: int = 0) -> torch.Tensor:
    lesson = Lesson(number=number, stage=which, start=0)
    return torch.as_tensor(proofworld(NO_CUTOUTS).batches(lesson, 5)[k].ids)


def test_a_stage_of_so_many_clips_shows_them_again_and_another_such_stage_shows_the_same() -> None:
    finite = stage(clips=6)
    assert [torch.equal(ids(finite, k), ids(finite, k + 3)) for k in range(3)] == [True] * 3
    assert not torch.equal(ids(finite, 0), ids(finite, 1))
    assert torch.equal(ids(finite, 1), ids(stage(clips=6, name="two"), 1, number=4))


def test_a_stage_without_a_number_of_clips_never_shows_one_again() -> None:
    assert len({tuple(ids(stage(), k).flatten().tolist()) for k in range(8)}) == 8
    assert not torch.equal(ids(stage(), 0), ids(stage(), 0, number=1))


def test_two_full_clips_come_to_each_plain_one() -> None:
    both = stage(level="both", frames=12, mix={"where": 1.0})
    things = [
        proofworld(NO_CUTOUTS).batches(Lesson(number=0, stage=both, start=0), 5)[k].scene for k in range(6)
    ]
    assert [len(t["sprite"][0]) for t in things] == [12, 12, 6, 12, 12, 6]


def test_clips_that_fill_no_whole_batch_are_refused() -> None:
    with pytest.raises(ValidationError, match="clips = 5 is no multiple of batch = 2"):
        stage(clips=5)
