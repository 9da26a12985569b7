"""Scenes: what is drawn is what the truth says, and a split shows what it may."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from grounding.errors import MediaError
from tests.worlds import scene, scenes, write_stamps
from training.world.batches import ANSWER, COORDINATE, Batches
from training.world.levels import SIDE_PX, world
from training.world.names import HELD_OUT_PAIRS, KINDS
from training.world.pictures import NO_CUTOUTS, SIDE, Cutouts, load_cutouts
from training.world.rendering import Renderer, scene_arrays, tensors
from training.world.scene import Scene, sample_scene
from training.world.words import EOS_ID, FIRST_NUMBER_ID

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def cutouts(tmp_path_factory: pytest.TempPathFactory) -> Cutouts:
    root = tmp_path_factory.mktemp("stamps")
    write_stamps(root)
    return load_cutouts(root)


def drawn(one: Scene, pictures: Cutouts = NO_CUTOUTS) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    made = tensors(scene_arrays([one], things=len(one.names)))
    return np.asarray(Renderer(pictures)(made)[0])


@pytest.mark.parametrize("level", ["plain", "hard"])
def test_a_thing_fills_its_box_and_no_pixel_beyond_it(level: str, cutouts: Cutouts) -> None:
    for seed in range(6):
        one = scene(level, seed=seed, cutouts=cutouts)  # type: ignore[arg-type]
        top = len(one.names) - 1  # nothing covers it
        without = one.present.copy()
        without[top] = False
        changed = (drawn(one, cutouts) != drawn(replace(one, present=without), cutouts)).any(1)
        for frame in np.flatnonzero(one.present[top]):
            rows, columns = np.nonzero(changed[frame])
            found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            assert np.abs(found - one.boxes[top, frame] * SIDE_PX).max() <= (1.5 if level == "plain" else 2.5)
        assert not changed[~one.present[top]].any()


def test_a_flash_is_white_and_a_digit_can_be_told_from_another() -> None:
    one = scene("plain", seed=1)
    top = len(one.names) - 1
    frames = np.flatnonzero(one.digits[top] >= 0)
    other = one.digits.copy()
    other[top, frames] = (other[top, frames] + 1) % 10
    assert (drawn(one)[frames] != drawn(replace(one, digits=other))[frames]).any((1, 2, 3)).all()
    lit = np.zeros_like(one.flashing)
    lit[top] = True
    flat = replace(one, flashing=lit, digits=np.full_like(one.digits, -1))
    frame = int(np.flatnonzero(one.present[top])[0])
    x, y = (one.centres[top, frame]).astype(int)
    assert drawn(flat)[frame, :, y, x].min() > 200


def test_a_scene_is_the_same_for_the_same_seed_and_looks_the_same() -> None:
    assert (drawn(scene(seed=4)) == drawn(scene(seed=4))).all()
    assert (drawn(scene(seed=4)) != drawn(scene(seed=5))).any()


def test_a_scene_sampled_at_its_own_times_is_itself() -> None:
    for one in scenes("hard", count=10):
        again = one.at(one.times_s)
        for name in ("present", "flashing", "digits", "hidden"):
            assert (getattr(again, name) == getattr(one, name)).all()
        assert np.allclose(again.centres, one.centres)


def test_training_shows_no_pair_that_is_held_out_and_the_split_asks_about_those_alone() -> None:
    held = {" ".join(pair) for pair in HELD_OUT_PAIRS}
    for level in ("plain", "hard"):
        assert not any(held & set(one.names) for one in scenes(level))
        for one in scenes(level, "pairs", count=20):
            askable = {name for name, may in zip(one.names, one.askable, strict=True) if may}
            assert askable and askable <= held


def test_training_shows_no_picture_that_is_held_out_and_the_split_asks_about_those_alone(
    cutouts: Cutouts,
) -> None:
    first = 6  # sprites below are shapes
    for split, held_out in (("train", False), ("iid", False), ("objects", True)):
        shown = 0
        for seed in range(20):
            where = world("hard", split)  # type: ignore[arg-type]
            one = sample_scene(np.random.default_rng(seed), world=where, cutouts=cutouts)
            pictures = [int(s) - first for s in one.sprites if s >= first]
            assert all(cutouts.held_out[p] == held_out for p in pictures)
            shown += len(pictures)
            if held_out:
                assert (one.askable == (one.sprites >= first)).all()
        assert shown > 40


def test_a_digit_on_a_picture_is_whole_also_where_the_picture_has_holes() -> None:
    hollow = np.ones((1, SIDE, SIDE), bool)
    hollow[0, 6:-6, 6:-6] = False
    frame = Cutouts(
        rgb=np.full((1, SIDE, SIDE, 3), 90, np.uint8),
        mask=hollow,
        aspect=np.ones(1, np.float32),
        kind=("bird",),
        held_out=(False,),
    )
    one = scene("plain", seed=4)
    top = len(one.names) - 1
    sprites, digits = one.sprites.copy(), one.digits.copy()
    sprites[top], digits[top] = 6, 0
    pictures = []
    for digit in (0, 8):
        digits = digits.copy()
        digits[top] = digit
        made = tensors(scene_arrays([replace(one, sprites=sprites, digits=digits)], things=len(one.names)))
        pictures.append(Renderer(frame)(made)[0].int())
    middle = ((pictures[0] - pictures[1]).abs().amax(1) > 100).flatten(1).sum(1)
    wide = one.radii[top].prod() * 0.42 * 0.15  # about that of the stroke by which an 8 is no 0
    assert (middle[torch.from_numpy(one.present[top])] > wide).all()


def test_cutouts_are_packed_and_unpacked_unchanged(cutouts: Cutouts, tmp_path: Path) -> None:
    cutouts.save(tmp_path / "packed.npz")
    again = load_cutouts(tmp_path / "packed.npz")
    assert (again.rgb == cutouts.rgb).all() and (again.mask == cutouts.mask).all()
    assert again.kind == cutouts.kind and again.held_out == cutouts.held_out
    assert set(again.kind) <= set(KINDS)


def test_a_folder_without_cutouts_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tuxpaint-stamps-default"):
        load_cutouts(tmp_path)


@pytest.mark.parametrize("how", ["other", "cut off", "damaged", "lacking"])
def test_a_damaged_file_of_cutouts_is_refused(cutouts: Cutouts, tmp_path: Path, how: str) -> None:
    path = tmp_path / "packed.npz"
    cutouts.save(path)
    packed = bytearray(path.read_bytes())
    if how == "other":
        packed = bytearray(b"nothing")
    elif how == "cut off":
        del packed[len(packed) // 2 :]
    elif how == "damaged":
        packed[200:400] = bytes(200)
    path.write_bytes(packed)
    if how == "lacking":
        np.savez(path, rgb=cutouts.rgb)
    with pytest.raises(ValueError, match=r"packed\.npz is no file of packed cut-outs"):
        load_cutouts(path)


def test_a_place_that_cutouts_can_t_be_packed_to_is_told(cutouts: Cutouts, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="can't be written"):
        cutouts.save(tmp_path / "nowhere" / "packed.npz")


def test_a_damaged_pack_and_a_damaged_picture_are_named(cutouts: Cutouts, tmp_path: Path) -> None:
    cutouts.save(tmp_path / "cut.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "cut.npz").read_bytes()[:200])
    with pytest.raises(ValueError, match=r"cut\.npz is no file of packed cut-outs .*--pack"):
        load_cutouts(tmp_path / "cut.npz")
    write_stamps(tmp_path / "stamps")
    picture = next((tmp_path / "stamps").rglob("*.png"))
    picture.write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=f"{picture.name} is no picture that can be read"):
        load_cutouts(tmp_path / "stamps")


def stream(**changes: object) -> Batches:
    settings: dict[str, object] = {
        "world": world("plain", "train"), "mix": {"where": 1.0, "dense": 1.0, "flash": 1.0}, "size": 3,
        "text_length": 160, "seed": 7, "stage": 0, "cutouts": NO_CUTOUTS,
    }  # fmt: skip
    return Batches(**{**settings, **changes})  # type: ignore[arg-type]


def test_a_batch_depends_on_its_seed_stage_and_number_alone() -> None:
    assert (stream()[5].ids == stream()[5].ids).all()
    for other in (stream()[6], stream(seed=8)[5], stream(stage=1)[5]):
        assert (other.ids != stream()[5].ids).any()


def test_only_answers_are_learnt_and_the_numbers_of_boxes_are_marked() -> None:
    batch = stream()[0]
    head = 12 * 70
    assert not batch.roles[:, :head].any()
    assert (batch.roles[batch.ids == EOS_ID] == ANSWER).all()
    coordinates = batch.ids[batch.roles == COORDINATE]
    assert len(coordinates) % 4 == 0 and (coordinates >= FIRST_NUMBER_ID).all()
    assert (batch.roles[batch.ids == 0] == 0).all()


def test_a_mix_names_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="no question of kind 'whither'; there are: where"):
        stream(mix={"whither": 1.0})


def test_a_text_too_short_for_any_question_is_refused() -> None:
    with pytest.raises(
        ValueError, match="none holds a question of the mix that fits into text_len 5: raise it"
    ):
        stream(text_length=5).check_room()
    stream().check_room()


def alone(one: Scene, thing: int, pictures: Cutouts) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """[T, rows, columns] the pixels that a thing covers when nothing else is there."""
    nothing = np.zeros_like(one.present)
    shown = nothing.copy()
    shown[thing] = one.present[thing]
    bare = replace(one, digits=np.full_like(one.digits, -1), flashing=nothing)
    with_it, without = (drawn(replace(bare, present=p), pictures) for p in (shown, nothing))
    return (with_it != without).any(1)


def test_two_things_touch_in_the_frames_in_which_their_pixels_meet_and_in_no_other(cutouts: Cutouts) -> None:
    count = 0
    for seed in range(24):
        one = scene("hard", seed=seed, cutouts=cutouts)
        for touch in (h for h in one.happenings if h.verb == "touch"):
            met = (alone(one, touch.thing, cutouts) & alone(one, touch.other, cutouts)).any((1, 2))
            assert np.flatnonzero(met).tolist() == list(range(touch.first, touch.last + 1))
            count += 1
    assert count >= 5
