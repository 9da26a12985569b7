"""Patches are those of HF's image processor (its PIL backend), resize included."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil, smart_resize

from engines.qwen.pixels import Normalisation, fitted, patches, resized
from engines.qwen.shapes import shapes_of
from tests.reference_qwen import FAMILIES, network

CLIP = Normalisation(mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711))
LEAST, MOST = 56 * 56, 200_000


def pictures(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("size", [(112, 168), (96, 160), (97, 161), (480, 854), (30, 31), (20, 900)])
def test_patches_of_a_picture_are_those_of_the_reference_processor(
    family: str, size: tuple[int, int]
) -> None:
    shape = shapes_of(network(family).config).vision
    frames = pictures(1, *size)
    processor = Qwen2VLImageProcessorPil(
        patch_size=shape.patch,
        merge_size=shape.merge,
        temporal_patch_size=shape.temporal,
        image_mean=list(CLIP.mean),
        image_std=list(CLIP.std),
        size={"shortest_edge": LEAST, "longest_edge": MOST},
    )
    expected = processor(images=[frames[0]], return_tensors="np")

    fed = fitted(size[1], size[0], step=shape.step, least=LEAST, most=MOST)
    bytes_, (rows, columns) = patches(resized(frames, fed), [(0,) * shape.temporal], shape=shape)
    ours = CLIP.apply(torch.from_numpy(bytes_), shape=shape).numpy()

    assert expected["image_grid_thw"].tolist() == [[1, rows, columns]]
    assert ours.dtype == np.float32 and ours.shape == expected["pixel_values"].shape
    # Normalised in float32 in another order: 1e-5 is a hundredth of the step between two grey levels.
    assert np.abs(ours - expected["pixel_values"]).max() <= 1e-5


@given(
    width=st.integers(1, 4000),
    height=st.integers(1, 4000),
    step=st.sampled_from([28, 32]),
    most=st.sampled_from([MOST, 448 * 448, 12_845_056]),
)
def test_a_frame_is_fitted_by_the_rule_of_the_reference(
    width: int, height: int, step: int, most: int
) -> None:
    def reference() -> tuple[int, int]:
        rows, columns = smart_resize(height, width, factor=step, min_pixels=LEAST, max_pixels=most)
        return columns, rows

    if max(width, height) > 200 * min(width, height):
        with pytest.raises(ValueError, match="too stretched"):
            fitted(width, height, step=step, least=LEAST, most=most)
    else:
        assert fitted(width, height, step=step, least=LEAST, most=most) == reference()


def test_a_patch_in_time_holds_the_frames_that_it_was_given_in_order() -> None:
    shape = shapes_of(network("qwen3_vl").config).vision
    frames = np.zeros((3, 32, 32, 3), np.uint8)
    frames[1], frames[2] = 100, 200
    ours, _ = patches(frames, [(0, 1), (2, 2)], shape=shape)

    by_frame = ours.reshape(2, 4, 3, 2, -1)  # picture, patch, channel, frame, pixel
    assert (by_frame[0, :, :, 0] == 0).all() and (by_frame[0, :, :, 1] == 100).all()
    assert (by_frame[1] == 200).all()


def test_frames_that_fit_are_not_touched() -> None:
    frames = pictures(2, 56, 84)
    assert resized(frames, (84, 56)) is frames
