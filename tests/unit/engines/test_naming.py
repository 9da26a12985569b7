from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from engines.english import singular
from engines.naming import NameMatcher
from engines.spotter.vocabulary import load_vocabulary, parse_vocabulary
from engines.spotter.writing import counted


class CountingEmbedder:
    """Words that share their first letter are alike (cosine 1), others not (0); counts what it is asked."""

    name = "first-letter"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.asked.extend(texts)
        return np.eye(1200, dtype=np.float32)[[ord(text[0]) % 1200 for text in texts]]


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def matcher(embedder: CountingEmbedder) -> NameMatcher:
    return NameMatcher(embedder)


RIDING = ("person riding a bicycle", ("person", "bicycle"))
BUS = ("1 bus", ("bus",))
SCREEN = ('text on screen: "ERROR 504"', ("text",))


@pytest.mark.parametrize(
    ("query", "moment", "missing"),
    [
        ("someone riding a horse", RIDING, ("horse",)),
        ("someone riding a bike", RIDING, ()),
        ("a cyclist", RIDING, ()),
        ("a cyclist", ("2 people", ("person",)), ("cyclist",)),
        ("a person", ("A cyclist passes.", ()), ()),
        ("a vehicle", BUS, ()),
        ("an animal", BUS, ("animal",)),
        ("a submarine", BUS, ("submarine",)),
        ("a bus in traffic", BUS, ()),
        ("heavy traffic", BUS, ("traffic",)),
        ("a bus in traffic", ("bus in traffic with 4 cars", ("bus", "car")), ()),
        ("heavy traffic", ("1 bus and 3 cars", ("bus", "car")), ()),
        ("forklift near a worker", ("A forklift drives past two workers", ()), ()),
        ("a kitchen", BUS, ("kitchen",)),
        ("a bus on the street", BUS, ()),
        ("a fight", BUS, ("fight",)),
        ("fighting", BUS, ("fighting",)),
        ("the error dialog", SCREEN, ()),
        ("the warning dialog", SCREEN, ("warning dialog",)),
        ("a sign", SCREEN, ()),
        ("a sign", BUS, ("sign",)),
        ("a tv", SCREEN, ("tv",)),
        ("error 504", ("ERROR 504", ()), ()),
        ("error 504", BUS, ("error 504",)),
        ('the words "error 504"', SCREEN, ()),
        ('the words "error 505"', SCREEN, ("error 505",)),
        ("no bus", BUS, ("no bus",)),
        ("a dog", ("There is no dog here.", ()), ("dog",)),
        ("a cat", ("A man without a cat", ()), ("cat",)),
        ("a hat", ("is anyone wearing a hat? No: all are bareheaded", ("person",)), ("hat",)),
        ("a bus", ("when does a bus appear? From 3.0 s to 5.5 s", ("bus",)), ()),
        ("a crowd", ("7 people and 2 cars", ("people", "cars")), ()),
        ("a dog or a bus", BUS, ()),
        ("a no entry sign", ("NO ENTRY", ("NO ENTRY",)), ()),
        ("a no entry sign", ('text on screen: "Main Entry"', ("text",)), ("no entry sign",)),
        ("a dog or a cat", BUS, ("dog", "cat")),
    ],
)
def test_a_thing_that_a_moment_does_not_show_is_missing(
    matcher: NameMatcher, query: str, moment: tuple[str, tuple[str, ...]], missing: tuple[str, ...]
) -> None:
    text, subjects = moment
    assert matcher.missing(query, text=text, subjects=subjects) == missing


@pytest.mark.parametrize(
    ("query", "text", "unproven"),
    [
        ("a red bus", "1 bus", ("red",)),
        ("a red bus", "a bus that is red", ()),
        ("a red bus or a blue car", "1 bus", ("red",)),
        ("bus 42", "1 bus", ("42",)),
        ("customer 4712", "Invoice editor - customer 4711", ("4712",)),
        ("bus 42", 'bus; text on screen: "42 Central"', ()),
        ("a woman walking", "1 person", ("woman", "walking")),
        ("a woman walking", "the woman walks", ()),
        ("a person on a horse", "1 person and 1 horse", ("on",)),
        ("a bus on the street", "1 bus", ("street",)),
        ("a bus in traffic", "1 bus", ("traffic",)),
        ("a bus in traffic", "bus in traffic with 4 cars", ()),
    ],
)
def test_what_nothing_confirms_is_unproven_and_hides_nothing(
    matcher: NameMatcher, query: str, text: str, unproven: tuple[str, ...]
) -> None:
    assert matcher.missing(query, text=text, subjects=()) == ()
    assert matcher.unproven(query, text=text, subjects=()) == unproven


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("someone without a helmet", "is anyone without a helmet? Yes: the cyclist"),
        ("someone without a helmet", "A cyclist with no helmet rides past."),
        ("a person not wearing a helmet", "a worker isn't wearing a helmet"),
        ("a bus that isn't moving", "The bus is not moving."),
        ("nobody", "Nobody is there."),
        ("someone without a helmet", "is the cyclist wearing a helmet? No: the head is bare"),
        ("no bus", "is there a bus? No: a van"),
    ],
)
def test_what_a_query_denies_is_proven_by_a_text_that_denies_it(
    matcher: NameMatcher, query: str, text: str
) -> None:
    assert matcher.missing(query, text=text, subjects=["bus", "person"]) == ()


@pytest.mark.parametrize(
    ("query", "text", "missing"),
    [
        ("someone without a helmet", "1 person", "without a helmet"),
        ("someone without a helmet", "person with a helmet", "without a helmet"),
        (
            "someone without a helmet",
            "is anyone without a helmet? No: everyone wears one",
            "without a helmet",
        ),
        ("someone without a helmet", "is anyone without a helmet No: all wear one", "without a helmet"),
        ("someone without a helmet", "is anyone without a helmet? No, nobody", "without a helmet"),
        ("someone without a helmet", "a person without a dog", "without a helmet"),
        ("a bus that isn't moving", "bus moving", "isn't moving"),
        ("a bus that isn't moving", "a bus is not on fire", "isn't moving"),
        ("nobody on the street", "1 person", "nobody"),
        ("nobody", "is anyone without a helmet? No: all wear one", "nobody"),
        ("nobody", "is anyone wearing a helmet? No: they are bareheaded", "nobody"),
        ("a bus and no car", "is there a bus behind the car? No: beside it", "no car"),
    ],
)
def test_what_a_query_denies_is_never_proven_by_silence(
    matcher: NameMatcher, query: str, text: str, missing: str
) -> None:
    assert missing in matcher.missing(query, text=text, subjects=["bus", "person"])


@pytest.mark.parametrize(
    ("query", "missing"),
    [
        ("invoice 4711", ()),
        ("invoice 4712", ("invoice 4712",)),
        ("item 4711", ()),
        ("order a17", ("a17",)),
    ],
)
def test_a_name_with_a_number_is_shown_only_by_that_number(
    matcher: NameMatcher, query: str, missing: tuple[str, ...]
) -> None:
    text = "Editor - invoice 4711, order A18"
    assert matcher.missing(query, text=text, subjects=["text"]) == missing


@pytest.mark.parametrize(
    ("query", "text", "fewer", "unproven"),
    [
        ("two people", "1 person", ("2 people",), ()),
        ("two people", "person", ("2 people",), ()),
        ("two people", "2 people", (), ()),
        ("two people", "4 people and 2 cars", (), ()),
        ("two people", "people", (), ()),
        ("five people", "people", (), ("5 people",)),
        ("two people", "a man and a woman", (), ()),
        ("two people", "how many people are there? 2 (the most seen at once)", (), ()),
        ("two people", "how many people are there? 1 person", ("2 people",), ()),
        ("five people", "how many people are there? 4 people at the same time", ("5 people",), ()),
        ("two people", "are there two people? 1 person", ("2 people",), ()),
        ("two people", "are there two people? Yes", (), ()),
        ("two people", "is anyone riding a bicycle? Yes: person riding a bicycle", ("2 people",), ()),
        ("a crowd", "1 person", ("at least 5 people",), ()),
        ("a crowd", "8 people", (), ()),
        ("a crowd", "a crowd of people", (), ()),
        ("a group of people", "2 people", ("at least 3 people",), ()),
        ("three vehicles", "1 bus and 2 cars", (), ()),
        ("three red cars", "2 cars", ("3 red cars",), ("red",)),
        ("two dogs", "a dog is near a person", ("2 dogs",), ()),
        ("a person", "4 people", (), ()),
    ],
)
def test_a_number_is_compared_with_what_was_counted(
    matcher: NameMatcher, query: str, text: str, fewer: tuple[str, ...], unproven: tuple[str, ...]
) -> None:
    (fit,) = matcher.fits(query, [(text, ())])
    assert (fit.missing, fit.fewer, fit.unproven) == ((), fewer, unproven)


def test_a_known_kind_is_never_matched_by_similarity(
    matcher: NameMatcher, embedder: CountingEmbedder
) -> None:
    assert matcher.missing("a bear", text="1 bus", subjects=["bus"]) == ("bear",)
    assert embedder.asked == []


def test_an_unknown_word_is_matched_by_similarity_at_the_threshold(matcher: NameMatcher) -> None:
    assert matcher.missing("a bandicoot", text="1 bus", subjects=["bus"]) == ()
    assert matcher.missing("a quokka", text="1 bus", subjects=["bus"]) == ("quokka",)
    assert NameMatcher(CountingEmbedder(), threshold=1.01).missing(
        "a bandicoot", text="1 bus", subjects=["bus"]
    ) == ("bandicoot",)


def test_all_moments_of_a_query_are_embedded_in_one_batch_and_once(
    matcher: NameMatcher, embedder: CountingEmbedder
) -> None:
    moments = [(f"{i} buses", ("bus",)) for i in range(50)]
    assert len(matcher.fits("a submarine", moments)) == 50
    matcher.fits("a submarine", moments)
    assert sorted(embedder.asked) == ["bus", "submarine"]


def test_every_label_of_the_vocabulary_is_a_name_of_itself() -> None:
    vocabulary = load_vocabulary()
    assert len(vocabulary.labels) == 80
    for label in vocabulary.labels:
        assert vocabulary.names[label].labels == (label,)
        assert vocabulary.names[label].attribute is None


def test_no_name_of_the_vocabulary_is_lost_to_the_plural_rule() -> None:
    for phrase in load_vocabulary().names:
        assert singular(phrase.split()[-1]) == phrase.split()[-1] or " " in phrase, phrase


def test_every_label_is_found_by_its_plural(matcher: NameMatcher) -> None:
    for label in load_vocabulary().labels:
        text = f"2 {counted(label, 2)}"
        assert matcher.missing(f"a {label}", text=text, subjects=()) == (), text
        assert matcher.missing("a spatula", text=text, subjects=()) == (
            ("spatula",) if label[0] != "s" else ()
        )


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ('[labels.car]\nsame = ["car"]', "two meanings"),
        ('[labels.car]\nsame = []\n[groups]\nvehicle = ["tank"]', "names no label: tank"),
    ],
)
def test_a_vocabulary_that_contradicts_itself_is_refused(entry: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_vocabulary(entry + ("" if "[groups]" in entry else "\n[groups]\n") + "\n[composites]\n")
