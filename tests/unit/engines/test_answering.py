from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.contract import DESCRIBE, Question, Reply
from engines.naming import NameMatcher
from engines.spotter.answering import answer
from engines.spotter.observations import Observations
from engines.spotter.understanding import understand
from grounding import Answer, Span, Task, parse
from tests.observed import (
    BICYCLE,
    LEFT_CAR,
    MIDDLE_CAR,
    RIDER,
    RIGHT_BUS,
    STANDING,
    START_S,
    box,
    observed,
    screen_text,
    track,
)
from tests.unit.engines.test_naming import CountingEmbedder

MATCHER = NameMatcher(CountingEmbedder(), threshold=1.01)
FREE: Task = "General video QA Free-form"

STREET = observed(
    track("person", RIDER, samples=range(4, 11), confidence=0.9),
    track("bicycle", BICYCLE, samples=range(4, 11), confidence=0.7),
    track("car", LEFT_CAR, samples=range(20)),
    track("car", MIDDLE_CAR, samples=range(12, 20)),
    track("bus", RIGHT_BUS, samples=range(12, 20)),
)
DESK = observed(
    texts=[
        screen_text("Inbox (3)", start_s=0.0, end_s=10.0),
        screen_text("ERR0R 504", start_s=4.0, end_s=8.0, where=box(0.7, 0.1, 0.9, 0.2)),
        screen_text("Try again. Or not?", start_s=4.0, end_s=8.0, where=box(0.7, 0.3, 0.9, 0.4)),
    ]
)
EMPTY = observed()
BLIND = observed(samples=0)
UNREAD = observed(read=False)


def reply(observations: Observations, text: str, *, task: Task = FREE) -> Reply:
    question = Question(text=text, task=task)
    return answer(question, understand(question, matcher=MATCHER), observations, matcher=MATCHER)


def parsed(given: Reply, observations: Observations) -> Answer:
    """The reply read back; it has no problems, and every claim its confidence."""
    found = parse(given.text, segment=observations.window, coordinates="relative-1000")
    assert found.problems == ()
    assert given.confidences is not None
    assert len(given.confidences) == len(found.claims)
    for statement in found.statements:
        assert statement.claims, f"nothing proves {statement.text!r}"
        assert statement.span is not None
        for index in statement.claims:
            assert statement.span.start_s - 1e-6 <= found.claims[index].time_s <= statement.span.end_s + 1e-6
    return found


def told(observations: Observations, text: str, *, task: Task = FREE) -> Answer:
    return parsed(reply(observations, text, task=task), observations)


def seconds(spans: tuple[Span, ...]) -> list[tuple[float, float]]:
    return [(round(s.start_s - START_S, 3), round(s.end_s - START_S, 3)) for s in spans]


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        ("Is there a bus?", "Yes: bus"),
        ("Is someone riding a bike?", "Yes: person riding a bicycle"),
        ("Was there a cyclist?", "Yes: person riding a bicycle"),
        ("Is there a bus in traffic?", "Yes: bus in traffic with 2 cars"),
        ("Is there a car on the left?", "Yes: car"),
        ("Is there a dog?", "No: not seen in 20 frames: dog"),
        ("Is there a person near a bus?", "No: not seen in 20 frames: person and bus"),
        ("Is there a dog or a bus?", "Yes: bus"),
        ("Is there a dog and a bus?", "No: not seen in 20 frames: dog and bus"),
        ("How many cars are there?", "2 cars at the same time"),
        ("How many people are there?", "1 person"),
        ("How many cyclists are there?", "1 cyclist"),
        ("How many vehicles are there?", "3 vehicles at the same time"),
        ("Which vehicles are visible?", "bicycle, car, bus"),
        ("Are there more than two cars?", "No: not seen in 20 frames: 3 cars"),
        ("Are there several cars?", "No: not seen in 20 frames: at least 3 cars"),
        ("How many dogs are there?", "0: not seen in 20 frames: dogs"),
        ("Where is the bus?", "bus at the right"),
        ("Where is a person riding a bike?", "person riding a bicycle in the middle"),
    ],
)
def test_a_question_about_a_street_is_answered(text: str, answered: str) -> None:
    found = told(STREET, text)
    assert found.text == answered
    assert bool(found.claims) is not answered.startswith(("No", "0"))


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        ("What does the dialog say?", '"Inbox (3)", "ERR0R 504", "Try again. Or not?"'),
        ("What does the error dialog say?", '"ERR0R 504"'),
        ("Is there an error message?", 'Yes: text on screen: "ERR0R 504"'),
        ("Is there a warning message?", 'No: no text with "warning" was read in 1 frame'),
        ("Where is the error message?", 'text on screen: "ERR0R 504" at the top right'),
    ],
)
def test_a_question_about_writing_is_answered(text: str, answered: str) -> None:
    assert told(DESK, text).text == answered


def test_each_kind_that_is_named_has_its_own_proof() -> None:
    assert {claim.subject for claim in told(STREET, "Which vehicles are visible?").claims} == {
        "bicycle",
        "cars",
        "bus",
    }


def test_when_is_answered_by_spans_of_the_file() -> None:
    found = told(STREET, "When is someone riding a bike?", task="temporal QA")
    assert seconds(found.spans) == [(2.0, 5.0)]
    assert {claim.subject for claim in found.claims} == {"person", "bicycle"}
    assert {claim.time_s for claim in found.claims} == {START_S + 2.0}
    assert seconds(told(DESK, "When does the error dialog appear?").spans) == [(4.0, 8.0)]


def test_a_free_answer_to_when_says_what_was_seen() -> None:
    assert told(STREET, "When is someone riding a bike?").text.endswith("person riding a bicycle")


def test_where_in_one_picture_is_answered_by_the_box() -> None:
    found = told(STREET, "Where is the bus?", task="visual QA")
    assert found.box == RIGHT_BUS


def test_a_thing_that_crosses_the_picture_is_said_to_move() -> None:
    path = [box(x / 10, 0.4, x / 10 + 0.1, 0.6) for x in range(8)]
    seen = observed(track("dog", path, samples=range(8)))
    assert told(seen, "Where is the dog?").text == "dog at the left, moving to the right"


@pytest.mark.parametrize(
    "text",
    [
        "Is anyone without a helmet?",
        "Is there a red car?",
        "Is a woman running?",
        "Is there a forklift?",
        "Why?",
    ],
)
def test_what_cannot_be_seen_is_abstained_from_with_the_reason(text: str) -> None:
    found = told(STREET, text)
    assert found.abstained
    assert found.reason is not None
    assert "80 COCO kinds" in found.reason
    assert not found.claims


def test_where_nothing_was_looked_at_nothing_is_denied() -> None:
    for text in ("Is there a bus?", "When does a bus appear?", "What does the sign say?", "Describe it"):
        assert told(BLIND, text).abstained
    assert told(UNREAD, "What does the sign say?").abstained


def test_traffic_is_not_denied_where_some_vehicles_were_seen() -> None:
    one = observed(track("bus", RIGHT_BUS, samples=range(4)))
    assert told(one, "Is there a bus in traffic?").abstained
    assert told(EMPTY, "Is there a bus in traffic?").text.startswith("No")


def test_a_kind_guessed_by_similarity_may_be_seen_and_is_never_denied() -> None:
    guessing = NameMatcher(CountingEmbedder(), threshold=0.9)  # knows words by their first letter
    question = Question(text="Is there a bandicoot?", task=FREE)
    intent = understand(question, matcher=guessing)
    (thing,) = intent.things
    seen = observed(track(thing.labels[0], STANDING, samples=range(3)))
    assert parsed(answer(question, intent, seen, matcher=guessing), seen).text.startswith("Yes")
    assert parsed(answer(question, intent, EMPTY, matcher=guessing), EMPTY).abstained


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Is there a bus? A. Yes B. No", "A"),
        ("Is there a dog? A. Yes B. No", "B"),
        ("How many cars are there? A. one B. two C. 3", "B"),
        ("Where is the bus? A. left B. right", "B"),
        ("When is someone riding a bike? A. 0 to 1 s B. 2 to 5 s C. 6-9 s", "B"),
        ("Which of these can be seen? A. a dog B. a bus C. a cat", "B"),
        ("Which of these can be seen? A. a car B. a bus C. a cat", None),  # two of them
        ("Which of these can be seen? A. a dog B. a bus C. a forklift", None),  # can't rule one out
        ("How many cars are there? A. one B. 3", None),
        ("What is the man holding? A. a bus B. a dog", None),
        ("Why is the bus late? A. traffic B. rain", None),
    ],
)
def test_a_letter_is_given_only_where_the_options_can_be_decided(text: str, letter: str | None) -> None:
    found = told(STREET, text, task="General video QA MCQ")
    assert found.letter == letter
    assert found.abstained is (letter is None)


def test_a_choice_by_time_gives_the_span_and_the_letter() -> None:
    found = told(STREET, "When does a bus appear? A. 0 to 2 s B. 6 to 9.5 s", task="temporal QA (MCQ)")
    assert found.letter == "B"
    assert seconds(found.spans) == [(6.0, 9.5)]


def test_the_description_tells_each_thing_once_with_its_time() -> None:
    found = parsed(reply(STREET, "", task="describe"), STREET)
    assert [(s.text, seconds((s.span,))[0]) for s in found.statements if s.span] == [
        ("car", (0.0, 5.5)),
        ("person riding a bicycle", (2.0, 5.0)),
        ("bus in traffic with 2 cars", (6.0, 9.5)),
    ]


def test_the_description_holds_the_tracks_and_the_text() -> None:
    given = reply(DESK, "", task="describe")
    assert given.screen_texts == DESK.screen_texts
    assert [s.text for s in parsed(given, DESK).statements] == [
        'text on screen: "Inbox (3)"',
        'text on screen: "ERR0R 504", "Try again. Or not?"',
    ]
    assert reply(STREET, "", task="describe").tracks == STREET.tracks
    assert reply(STREET, "Is there a bus?").tracks == ()


def test_things_of_about_one_stretch_are_told_together_and_others_apart() -> None:
    seen = observed(
        track("person", STANDING, samples=range(10)),
        track("person", RIDER, samples=range(10)),
        track("dog", LEFT_CAR, samples=range(1, 10)),
        track("cat", MIDDLE_CAR, samples=range(15, 18)),
    )
    found = parsed(reply(seen, "", task="describe"), seen)
    assert [s.text for s in found.statements] == ["2 people and 1 dog", "cat"]
    assert [len(claim.boxes) for claim in found.claims] == [2, 1, 1]


def test_a_description_starts_anew_at_a_cut() -> None:
    seen = observed(track("dog", STANDING, samples=range(20)), cuts_s=[5.0])
    assert [
        seconds((s.span,))[0] for s in parsed(reply(seen, "", task="describe"), seen).statements if s.span
    ] == [
        (0.0, 4.5),
        (5.0, 9.5),
    ]


def test_an_empty_stretch_is_described_as_looked_at() -> None:
    found = parsed(reply(EMPTY, "", task="describe"), EMPTY)
    assert (found.statements, found.abstained) == ((), False)
    assert "20 frames" in found.text


TASKS = st.sampled_from(get_args(Task))
SCENES = st.sampled_from([STREET, DESK, EMPTY, BLIND, UNREAD])


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200), TASKS, SCENES)
def test_any_text_gets_a_reply_in_the_grammar(text: str, task: Task, scene: Observations) -> None:
    told(scene, text, task=task)


PIECES = st.sampled_from(
    [
        "\n    when",
        "how many",
        "where",
        "is",
        "there",
        "a",
        "person",
        "riding",
        "bike",
        "cyclist",
        "bus",
        "in",
        "traffic",
        "car",
        "left",
        "on the right",
        "or",
        "and",
        "near\n    ",
        "in front of",
        "?",
        "sign",
        "says",
        "error",
        "what does",
        "two",
        "vehicles",
        "text",
        '"error 504"',
        "A. yes",
        "B. no",
        "no",
        "red",
        "A.",
        "B.",
        "C.",
        "behind\n    ",
        "skier",
        "street",
        "of",
        "written",
        "without",
        ",",
        ".\n    ",
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(PIECES, max_size=14), TASKS, SCENES)
def test_any_question_gets_a_reply_in_the_grammar(words: list[str], task: Task, scene: Observations) -> None:
    told(scene, " ".join(words), task=task)


@settings(deadline=None)
@given(st.lists(st.text(min_size=1, max_size=60), max_size=4))
def test_whatever_stands_on_the_screen_is_quoted_whole(texts: list[str]) -> None:
    seen = observed(texts=[screen_text(t, start_s=i, end_s=i + 1) for i, t in enumerate(texts)])
    found = parsed(reply(seen, "", task="describe"), seen)
    assert [s.text for s in found.statements] == [f'text on screen: "{" ".join(t.split())}"' for t in texts]


def test_the_standing_question_is_the_contracts_own() -> None:
    assert reply(STREET, DESCRIBE.text, task=DESCRIBE.task).tracks


def test_a_count_is_proved_only_where_so_many_are_seen() -> None:
    street = observed(
        track("car", LEFT_CAR, samples=range(2, 5), confidence=0.4),
        track("car", MIDDLE_CAR, samples=range(2, 5), confidence=0.4),
        track("car", LEFT_CAR, samples=range(12, 16), confidence=0.9),
    )
    found = told(street, "How many cars are there?")
    assert [len(claim.boxes) for claim in found.claims] == [2]
    assert [round(claim.time_s - START_S, 3) for claim in found.claims] == [1.0]
