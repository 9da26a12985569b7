"""Clips of fewer frames than a batch has room for: what is asked about them is true, and where they lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from grounding.grammar import parse
from training.world.batches import TOKENS_A_FRAME, Batches
from training.world.levels import LevelName, world
from training.world.pictures import NO_CUTOUTS
from training.world.questions import KINDS, ask
from training.world.questions.telling import SEGMENT
from training.world.rendering import Renderer, scene_arrays, tensors
from training.world.scene import Scene, sample_scene
from training.world.words import EOS_ID, IMAGE_ID, PAD_ID, decode

LEVELS: tuple[LevelName, ...] = ("plain", "hard")
TEXT = 160


def scenes(frames: int, *, count: int = 60) -> Iterator[Scene]:
    for level in LEVELS:
        for seed in range(count):
            yield sample_scene(
                np.random.default_rng(seed), world=world(level, "train", frames=frames), cutouts=NO_CUTOUTS
            )


def stream(**changes: object) -> Batches:
    settings: dict[str, object] = {
        "world": world("plain", "train"), "mix": dict.fromkeys(KINDS, 1.0), "size": 24, "text_length": TEXT,
        "seed": 3, "stage": 0, "cutouts": NO_CUTOUTS, "shown": (1, 3),
    }  # fmt: skip
    return Batches(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_answers_about_one_to_three_frames_are_in_the_grammar_and_true_of_them(frames: int) -> None:
    rng = np.random.default_rng(1)
    found: Counter[str] = Counter()
    for scene in scenes(frames):
        for kind in KINDS:
            item = ask(rng, scene, kind)
            if item is None:
                continue
            found[kind] += 1
            answer = parse(item.completion, segment=SEGMENT, coordinates="relative-1000")
            assert answer.problems == ()
            assert answer.abstained == item.truth.abstains
            assert set(answer.claims) <= set(item.truth.evidence)
            assert {claim.time_s for claim in answer.claims} <= set(scene.times_s.tolist())
            for span in item.truth.spans:
                assert 0.0 <= span.start_s < span.end_s <= scene.times_s[-1]
    held = {"where", "dense", "digit", "choice", "what", "absent", "track"}
    held |= {"show", "when-there"} if frames > 1 else set()
    held |= {"flash", "first", "touch", "zone"} if frames > 2 else set()
    assert held <= {kind for kind, count in found.items() if count >= 5}
    assert set(found) <= held | {"describe"}


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
def test_a_thing_that_is_asked_for_by_its_colour_is_seen_in_it(frames: int) -> None:
    for scene in scenes(frames):
        assert (scene.present & ~scene.flashing).any(axis=1).all()


def test_a_clip_of_one_frame_is_not_said_to_hold_nothing_when_it_shows_a_digit() -> None:
    asked = decode_all(stream(mix={"describe": 1.0}, shown=(1, 1)))
    assert asked and all(row == "" for row in asked), "the topmost thing always shows one"
    assert any("shows the digit" in row for row in decode_all(stream(mix={"describe": 1.0}, shown=(2, 2))))


def decode_all(batches: Batches) -> list[str]:
    """What is asked and said about each clip of a batch."""
    batch = batches[0]
    rows = zip(batch.ids, batch.frames.tolist(), strict=True)
    words = [ids[frames * TOKENS_A_FRAME :] for ids, frames in rows]
    return [decode(row[row != PAD_ID].tolist()) for row in words]


def test_the_words_of_a_short_clip_follow_its_frames_and_pads_fill_its_row() -> None:
    batch = stream(mix={"where": 1.0, "dense": 1.0, "digit": 1.0})[0]
    assert batch.ids.shape == (24, 12 * TOKENS_A_FRAME + TEXT)
    assert batch.frames.dtype == torch.int64 and set(batch.frames.tolist()) == {1, 2, 3}
    for ids, roles, frames in zip(batch.ids, batch.roles, batch.frames.tolist(), strict=True):
        head = frames * TOKENS_A_FRAME
        assert (ids == IMAGE_ID).sum() == (ids[:head] == IMAGE_ID).sum() == 64 * frames
        assert not roles[:head].any() and not (ids[:head] == PAD_ID).any()
        end = int((ids == EOS_ID).nonzero().max()) + 1
        assert head < end <= head + TEXT and not (ids[:end] == PAD_ID).any()
        assert (ids[end:] == PAD_ID).all() and not roles[end:].any()


def test_so_many_clips_are_short_as_is_said_and_the_others_show_all() -> None:
    batches = stream(size=100, short_share=0.3, text_length=24, mix={"where": 1.0})
    shown = Counter(torch.cat([batches[k].frames for k in range(10)]).tolist())
    assert set(shown) == {1, 2, 3, 12}
    assert 0.6 < shown[12] / 1000 < 0.8
    assert set(stream(shown=None)[0].frames.tolist()) == {12}


def test_a_short_clip_looks_as_it_looks_alone() -> None:
    short, full = (
        sample_scene(np.random.default_rng(5), world=world("plain", "train", frames=n), cutouts=NO_CUTOUTS)
        for n in (2, 12)
    )
    renderer = Renderer(NO_CUTOUTS)
    alone = renderer(tensors(scene_arrays([short], things=6)))
    together = renderer(tensors(scene_arrays([short, full], things=6, frames=12)))
    assert alone.shape[1] == 2
    assert torch.equal(together[0, :2], alone[0])
    assert torch.equal(together[1], renderer(tensors(scene_arrays([full], things=6)))[0])


def test_a_batch_with_short_clips_depends_on_its_seed_stage_and_number_alone() -> None:
    one, again = stream()[5], stream()[5]
    assert torch.equal(one.ids, again.ids) and torch.equal(one.frames, again.frames)
    assert not torch.equal(one.frames, stream()[6].frames)
