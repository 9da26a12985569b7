from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from engines.embedding import TextEmbedder

TEXTS = [
    "a person rides a bicycle",
    "2 cars, 1 bus",
    "Error: the disk is full. Free some space on the volume and try again, or choose another folder.",
    "dog",
    "",
    "someone walks across the yard from left to right " * 9,
]


@pytest.fixture(scope="module")
def embedder() -> TextEmbedder:
    return TextEmbedder()


def test_vectors_have_unit_length_and_the_order_of_the_texts(embedder: TextEmbedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(embedder.embed(TEXTS[::-1])[::-1], vectors, atol=1e-3)


def test_a_vector_does_not_depend_on_its_neighbours(embedder: TextEmbedder) -> None:
    together = embedder.embed(TEXTS * 4)[: len(TEXTS)]
    alone = np.concatenate([embedder.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-3)


def test_the_quick_start_gives_the_same_vectors(embedder: TextEmbedder) -> None:
    np.testing.assert_allclose(TextEmbedder(few=True).embed(TEXTS[:4]), embedder.embed(TEXTS[:4]), atol=1e-3)


def test_texts_that_mean_the_same_are_near(embedder: TextEmbedder) -> None:
    bike, same, other = embedder.embed(["someone riding a bike", "a person rides a bicycle", "a submarine"])
    assert bike @ same > 0.8
    assert bike @ other < 0.3


def test_no_text_gives_no_vector(embedder: TextEmbedder) -> None:
    assert embedder.embed([]).shape == (0, 384)


def test_text_beyond_the_limit_is_cut_off(embedder: TextEmbedder) -> None:
    short, long = embedder.embed(["bus " * 254, "bus " * 254 + "dog " * 5000])
    np.testing.assert_allclose(short, long, atol=1e-3)


@pytest.mark.parametrize("text", ["\ud800 lone half", "\x00\x1b[31m", "北京 🚲", "a" * 1_000_000])
def test_any_text_at_all_gets_a_finite_vector(embedder: TextEmbedder, text: str) -> None:
    assert np.isfinite(embedder.embed([text])).all()


def test_importing_the_embedder_loads_no_model_library() -> None:
    code = (
        "import sys, engines.embedding; print([m for m in ('onnxruntime', 'tokenizers') if m in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )
