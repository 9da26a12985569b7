import pytest

from engines.contract import DESCRIBE, Question
from engines.naming import NameMatcher
from engines.spotter.understanding import Intent, Kind, split_options, understand
from grounding import Task
from tests.unit.engines.test_naming import CountingEmbedder

MATCHER = NameMatcher(CountingEmbedder(), threshold=1.01)


def intent(text: str, *, task: Task = "General video QA Free-form") -> Intent:
    return understand(Question(text=text, task=task), matcher=MATCHER)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Is there a bus?", "exists"),
        ("Are there any dogs?", "exists"),
        ("Was anyone there?", "exists"),
        ("Do you see a car?", "exists"),
        ("Can you see someone riding a bike?", "exists"),
        ("a person", "exists"),
        ("When does the bus appear?", "when"),
        ("When is someone riding a bike?", "when"),
        ("At what time does a dog enter the picture?", "when"),
        ("During which seconds is a car visible?", "when"),
        ("How many people are there?", "count"),
        ("What is the number of cars?", "count"),
        ("Count the dogs", "count"),
        ("Where is the bus?", "where"),
        ("On which side is the car?", "where"),
        ("How many people are there at once?", "count"),
        ("Is there at least one car?", "exists"),
        ("Which vehicles are visible?", "which"),
        ("What animals can be seen?", "which"),
        ("What does the sign say?", "read"),
        ("What is written on the screen?", "read"),
        ("Read the text", "read"),
        ("Which text is shown?", "read"),
        ("Describe the video", "describe"),
        ("What is happening?", "describe"),
        ("What do you see?", "describe"),
        ("", "describe"),
    ],
)
def test_a_question_is_of_this_kind_and_can_be_told(text: str, kind: Kind) -> None:
    found = intent(text)
    assert (found.kind, found.reason) == (kind, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("When does the error dialog appear?", ("error",)),
        ("When does the screen show error 504?", ("error", "504")),
        ('When does it say "Sale now"?', ("sale", "now")),
        ("Is there a sign that says exit?", ("exit",)),
        ("Is there any text on screen?", ()),
        ("When does it say taxi?", ("taxi",)),
    ],
)
def test_a_question_about_writing_looks_for_these_words(text: str, words: tuple[str, ...]) -> None:
    found = intent(text)
    assert found.reading_asked
    assert found.reason is None
    assert set(found.words) == set(words)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Is anyone without a helmet?", "helmet"),
        ("Is there a person wearing no vest?", "vest"),
        ("Is there no bus?", "not there"),
        ("Has the car never stopped?", "never"),
        ("Is there a forklift?", "forklift"),
        ("Is there a red car?", "red"),
        ("Is there bus 42?", "42"),
        ("Is there a woman?", "woman"),
        ("Is someone running?", "running"),
        ("Is anyone in the kitchen?", "kitchen"),
        ("Is a person riding a bus?", "riding bus"),
        ("Is a dog walking along a car?", "along car"),
        ("Is there a bus that looks old?", "old"),
        ("What is written on the bus?", "bus"),
        ("How many words are on the sign?", "count"),
        ("Is a car near?", "near"),
        ("Why did the man leave?", "not this"),
        ("Who is there?", "not this"),
        ("Are there exactly two cars?", "exactly"),
        ("Are there only dogs?", "only"),
        ("When is nobody there?", '"nobody"'),
        ("Does the man say hello?", "say"),
        ("What color is the bus?", "not this"),
        ("Is it?", "names nothing"),
        ("?", "names nothing"),
    ],
)
def test_what_cannot_be_seen_is_a_reason_to_abstain_that_names_it(text: str, says: str) -> None:
    reason = intent(text).reason
    assert reason is not None
    assert says in reason


def test_more_than_two_is_three_or_more() -> None:
    (thing,) = intent("Are there more than two cars?").things
    assert thing.count == 3


def test_the_standing_question_asks_to_describe() -> None:
    assert understand(DESCRIBE, matcher=MATCHER) == Intent(kind="describe")


def test_the_task_decides_where_the_words_leave_it_open() -> None:
    assert intent("a bus", task="temporal QA").kind == "when"
    assert intent("the bus", task="visual QA").kind == "where"


@pytest.mark.parametrize(
    "text",
    [
        "What is there?\nA. a bus\nB. a dog",
        "What is there? (A) a bus (B) a dog",
        "What is there? Options: A) a bus B) a dog",
    ],
)
def test_the_options_of_a_multiple_choice_question_are_taken_apart(text: str) -> None:
    stem, options = split_options(text)
    assert stem == "What is there?"
    assert [(o.letter, o.text) for o in options] == [("A", "a bus"), ("B", "a dog")]


@pytest.mark.parametrize("text", ["Is there a bus? A. one", "Vitamin B. and A. deficiency", "A. bus C. car"])
def test_letters_that_are_no_row_of_options_are_left_alone(text: str) -> None:
    assert split_options(text) == (text, ())
