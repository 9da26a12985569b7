"""The held-out names: what is in the sample clips is found by them, and what isn't gives nothing."""

from collections.abc import Iterator

import numpy as np
import pytest

from engines import Engine, load_engine
from engines.embedding import TextEmbedder
from engines.naming import NameMatcher, shipped_vectors
from engines.spotter.vocabulary import load_vocabulary
from tests.named import Moments, is_found, moments, part

HELD_OUT = part("held_out")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = load_engine("spotter")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def seen(engine: Engine) -> dict[str, Moments]:
    return {name: moments(name, engine=engine) for name in HELD_OUT["clips"]}


@pytest.fixture(scope="module")
def matcher() -> NameMatcher:
    return NameMatcher(TextEmbedder())


def test_the_list_holds_at_least_twenty_of_each() -> None:
    for name in ("tuning", "held_out"):
        clips = part(name)["clips"].values()  # type: ignore[arg-type]
        assert sum(len(clip["absent"]) for clip in clips) >= 20
    assert sum(len(clip["found"]) for clip in HELD_OUT["clips"].values()) >= 20


def test_things_that_are_in_the_clips_are_found(seen: dict[str, Moments], matcher: NameMatcher) -> None:
    lost = [
        (name, query)
        for name, clip in HELD_OUT["clips"].items()
        for query in clip["found"]
        if not is_found(query, seen[name], matcher=matcher)
    ]
    assert lost == []


def test_things_that_are_not_in_the_clips_give_nothing(
    seen: dict[str, Moments], matcher: NameMatcher
) -> None:
    wrong = [
        (name, query)
        for name, clip in HELD_OUT["clips"].items()
        for query in clip["absent"]
        if is_found(query, seen[name], matcher=matcher)
    ]
    assert wrong == []


def test_the_shipped_vectors_of_the_kinds_are_those_of_the_text_model() -> None:
    embedder = TextEmbedder()
    labels = load_vocabulary().labels
    shipped = shipped_vectors(embedder.name)
    assert tuple(shipped) == labels
    assert np.stack(list(shipped.values())) == pytest.approx(embedder.embed(labels), abs=1e-4)
    assert shipped_vectors("another") == {}


def test_a_word_for_none_of_the_kinds_gets_no_name_and_no_word_a_wrong_one(matcher: NameMatcher) -> None:
    words = HELD_OUT["words"]
    assert {word: label for word in words["none"] if (label := matcher.label(word))} == {}
    assert all(matcher.label(word) in (label, None) for word, label in words["same"].items())
