"""The world's questions as STGR rows: what a row says is what the world knows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from grounding.evidence import Claim
from grounding.grammar import parse
from training.data.converting.writing import for_rl
from training.data.truths import completion_of, truth_of
from training.truth import Truth
from training.world.items import questions
from training.world.levels import LEVELS, LevelName
from training.world.pictures import NO_CUTOUTS
from training.world.questions.telling import SEGMENT
from training.world.stgr import ASKED, STEP_S, Asked, WorldClip, world_clip

SIZE = (128, 128)


@cache
def clips(level: LevelName, count: int = 30) -> tuple[WorldClip, ...]:
    return tuple(world_clip(number, level=level, seed=3, cutouts=NO_CUTOUTS) for number in range(count))


def every(level: LevelName) -> list[tuple[WorldClip, Asked]]:
    return [(clip, asked) for clip in clips(level) for asked in clip.asked]


def told(truth: Truth) -> Truth:
    """What STGR says of a truth as it is; evidence and boxes, which pixels hold a bit coarser, apart."""
    return replace(truth, evidence=(), groups=(), box=None, answer=None if truth.box else truth.answer)


def completion(clip: WorldClip, asked: Asked) -> str:
    scene = clip.still if asked.row.is_picture else clip.scene
    duration_s = 0.0 if asked.row.is_picture else len(scene.times_s) * STEP_S
    return completion_of(
        asked.row, duration_s=duration_s, coordinates="relative-1000", frame_size=SIZE,
        times_s=scene.times_s.tolist(),
    )  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
def test_a_row_is_true_of_what_its_question_is_and_names_evidence_of_each_part(level: LevelName) -> None:
    for _, asked in every(level):
        truth, own = truth_of(asked.row), asked.item.truth
        assert told(truth) == told(own)
        groups = own.groups or tuple(range(len(own.evidence)))
        assert (truth.box is None) == (own.box is None)
        shown = [g for g, c in zip(groups, own.evidence, strict=True) if near(c, truth.evidence)]
        assert set(shown) == set(groups)
        assert len(truth.evidence) == len(shown)


def near(claim: Claim, others: tuple[Claim, ...]) -> bool:
    return any(
        claim.subject == other.subject
        and claim.time_s == pytest.approx(other.time_s)
        and np.allclose(corners(claim), corners(other), atol=1e-3)  # a picture's pixels are a bit coarser
        for other in others
    )


def corners(claim: Claim) -> list[tuple[float, ...]]:
    return [(b.x1, b.y1, b.x2, b.y2) for b in claim.boxes]


@pytest.mark.parametrize("level", LEVELS)
def test_a_model_is_taught_the_very_words_of_the_world(level: LevelName) -> None:
    about_video = [(clip, asked) for clip, asked in every(level) if not asked.row.is_picture]
    assert about_video
    for clip, asked in about_video:
        assert completion(clip, asked) == asked.item.completion


@pytest.mark.parametrize("level", LEVELS)
def test_a_picture_is_answered_by_the_box_of_the_thing(level: LevelName) -> None:
    pictures = [(clip, asked) for clip, asked in every(level) if asked.row.is_picture]
    assert len(pictures) > 20
    for clip, asked in pictures:
        answer = parse(completion(clip, asked), segment=SEGMENT, coordinates="relative-1000")
        assert answer.problems == () and answer.box is not None
        (true,) = asked.item.truth.evidence
        assert near(Claim(subject=answer.text, boxes=(answer.box,), time_s=0.0), (true,))
        assert " at 0.0s?" in asked.row.question


def test_every_kind_of_question_comes_up_and_each_is_asked_in_both_lists() -> None:
    kinds = Counter(asked.item.kind for level in LEVELS for _, asked in every(level))
    assert set(kinds) == {*ASKED, "where"} and min(kinds.values()) >= 3
    for level in LEVELS:
        for _, asked in every(level):
            row = for_rl(asked.row)
            assert row is not None and row.reasoning_process is None
            assert told(truth_of(row)) == told(asked.item.truth)


def test_what_happens_is_found_anew_where_things_are_on_the_grid_of_the_engine() -> None:
    touches = 0
    for scene in (clip.scene for level in LEVELS for clip in clips(level)):
        assert scene.times_s == pytest.approx(np.arange(12) * STEP_S)
        assert np.array_equal(scene.centres, scene.paths.at(scene.times_s))
        for touch in (h for h in scene.happenings if h.verb == "touch"):
            touches += 1
            a, b = scene.boxes[touch.thing], scene.boxes[touch.other]
            overlap = np.all((a[:, :2] < b[:, 2:]) & (b[:, :2] < a[:, 2:]), axis=1)
            # Shapes that touch have boxes that overlap; boxes may do so before.
            assert set(range(touch.first, touch.last + 1)) <= set(np.flatnonzero(overlap).tolist())
    assert touches > 3


def test_no_clip_is_one_of_the_evaluation() -> None:
    asked = questions(level="plain", split="train", seed=3, count=40, cutouts=NO_CUTOUTS)
    evaluated = {one.scene.look_seed for one in asked}
    assert evaluated.isdisjoint(clip.scene.look_seed for clip in clips("plain"))


def test_a_seed_gives_the_same_clips_again_and_another_seed_others() -> None:
    once, again = (world_clip(5, level="hard", seed=1, cutouts=NO_CUTOUTS) for _ in range(2))
    other = world_clip(5, level="hard", seed=2, cutouts=NO_CUTOUTS)
    assert [a.row for a in once.asked] == [a.row for a in again.asked] != [a.row for a in other.asked]
