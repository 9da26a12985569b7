import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.phrases import Link, Reading, read


def named(text: str) -> list[str]:
    return [thing.name for thing in read(text).things]


def labelled(text: str) -> list[tuple[str, ...]]:
    return [thing.labels for thing in read(text).things]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("someone riding a bike", ["someone", "bike"]),
        ("A forklift drives past two workers", ["forklift", "worker"]),
        ("When does the error dialog appear?", ["dialog"]),
        ("how many red cars are there", ["car"]),
        ("Is there a traffic light?", ["traffic light"]),
        ("a group of people", ["people"]),
        ("a bottle of water", ["bottle"]),
        ("video of a train", ["train"]),
        ("a dog gallops", ["dog"]),
        ("building on fire", ["building", "fire"]),
        ("an orange", ["orange"]),
        ("orange cats", ["cat"]),
        ("double-decker buses", ["bus"]),
        ("error 504", ["error"]),
        ("model 500", ["model 500"]),
        ("a fight", ["fight"]),
        ("fight", []),
        ('text on screen: "a train"', ["text"]),
        ("", []),
    ],
)
def test_a_text_names_these_things(text: str, names: list[str]) -> None:
    assert named(text) == names


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("automobiles", "car"),
        ("some lorries", "truck"),
        ("two sofas", "couch"),
        ("a smart phone", "cell phone"),
        ("TVs", "tv"),
        ("knives", "knife"),
        ("a pair of scissors", "scissors"),
        ("skis", "skis"),
        ("doughnuts", "donut"),
    ],
)
def test_a_synonym_or_plural_names_its_kind_and_leaves_nothing_unproven(text: str, label: str) -> None:
    (thing,) = read(text).things
    assert thing.labels == (label,)
    assert thing.attributes == ()


@pytest.mark.parametrize(
    ("text", "label", "attribute"),
    [("a woman", "person", "woman"), ("taxis", "car", "taxi"), ("the red bus", "bus", "red")],
)
def test_what_a_detector_cannot_tell_stays_as_an_attribute(text: str, label: str, attribute: str) -> None:
    (thing,) = read(text).things
    assert thing.labels == (label,)
    assert attribute in thing.attributes


def test_a_broader_word_is_answered_by_any_of_its_kinds() -> None:
    (thing,) = read("vehicles").things
    assert {"car", "bus", "truck", "bicycle"} <= set(thing.labels)


def test_a_cyclist_is_a_person_riding_a_bicycle() -> None:
    (thing,) = read("cyclists").things
    assert (thing.labels, thing.relation, thing.partners) == (("person",), "riding", ("bicycle",))
    (thing,) = read("someone cycling").things
    assert (thing.labels, thing.relation, thing.partners) == (("person",), "riding", ("bicycle",))


@pytest.mark.parametrize(
    ("text", "relation"),
    [
        ("someone riding a bike", "riding"),
        ("someone riding on a bike", "riding"),
        ("a car in front of a bus", "in front of"),
        ("a car to the left of a bus", "left of"),
        ("a cup on a table", "on"),
        ("a man with a dog", "with"),
        ("a man and a dog", "and"),
    ],
)
def test_two_things_stand_in_this_relation(text: str, relation: str) -> None:
    assert read(text).links == (Link(first=0, relation=relation, second=1),)


def test_a_place_between_two_things_does_not_take_the_relation() -> None:
    reading = read("a woman crossing the street with a dog")
    assert [thing.name for thing in reading.things] == ["woman", "street", "dog"]
    assert Link(first=0, relation="with", second=2) in reading.links
    assert reading.actions == ("cross",)


def test_a_denied_thing_is_marked_and_the_one_before_it_is_not() -> None:
    person, helmet = read("Is anyone without a helmet?").things
    assert (person.negated, helmet.negated) == (False, True)


def test_numbers_sides_quotes_and_alternatives_are_kept() -> None:
    assert [t.count for t in read("1 bus and three cars").things] == [1, 3]
    assert read("bus on the left").positions == ("left",)
    assert read("the words “Sale now”").quotes == ("Sale now",)
    assert read("is there a man or a woman").alternatives
    assert not read("is there a man").alternatives


@settings(deadline=None)  # the first example loads the word lists
@given(st.text(max_size=300))
def test_any_text_has_a_reading(text: str) -> None:
    assert isinstance(read(text), Reading)


WORDS = st.sampled_from(
    [
        "a",
        "the",
        "two",
        "no",
        "without",
        "person",
        "bike",
        "riding",
        "on",
        "in",
        "front",
        "of",
        "red",
        "or",
        "and",
        ",",
        "?",
        "orange",
        "of",
        "left",
        "what",
        "is",
        "cars",
        "sign",
    ]
)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=30))
def test_links_join_things_that_are_there(words: list[str]) -> None:
    reading = read(" ".join(words))
    for link in reading.links:
        assert 0 <= link.first < link.second < len(reading.things)


def test_a_text_of_megabytes_costs_little() -> None:
    assert len(read("car, " * 1_000_000).things) < 2000


@pytest.mark.parametrize(
    ("text", "denial", "denied"),
    [
        ("someone without a helmet", "without a helmet", ["helmet"]),
        ("a person not wearing a helmet", "not wearing a helmet", ["helmet"]),
        ("nobody on the street", "nobody", ["person"]),
        ("no one on the street", "no one", ["person"]),
        ("no people", "no people", ["people"]),
        ("a worker who isn't wearing a hard hat, on a roof", "isn't wearing a hard hat", ["hat"]),
        ("zero cars", "zero cars", ["car"]),
        ("cars that are not parked", "not parked", []),
        ("a car that isn't moving. A bus stops", "isn't moving", []),
        ("it never stops", "never stops", []),
    ],
)  # fmt: skip
def test_what_a_text_denies_is_kept_as_it_was_said(text: str, denial: str, denied: list[str]) -> None:
    reading = read(text)
    assert [one.text for one in reading.denials] == [denial]
    assert [thing.name for thing in reading.things if thing.negated] == denied
    assert not set(reading.action_words) & set(denial.split())
    assert not {a for thing in reading.things for a in thing.attributes if not thing.negated} & set(
        denial.split()
    )


@pytest.mark.parametrize("text", ["No, everyone wears a helmet", 'the words "no entry"', "a knot", "a bus"])
def test_what_only_looks_like_a_denial_is_none(text: str) -> None:
    assert read(text).denials == ()
    assert not any(thing.negated for thing in read(text).things)


def test_what_a_sign_forbids_is_written_there_and_denies_nothing() -> None:
    reading = read("a no entry sign")
    assert [(thing.name, thing.attributes, thing.negated) for thing in reading.things] == [
        ("sign", ("no", "entry"), False)
    ]
    assert (reading.denials, reading.negations) == ((), ())
    assert read("no error dialog").denials


@pytest.mark.parametrize(
    ("text", "count", "least"),
    [
        ("a crowd", None, 5),
        ("a crowd of people", None, 5),
        ("a group of people", None, 3),
        ("lots of people", None, 5),
        ("a lot of cars", None, 5),
        ("several cars", None, 3),
        ("many dogs", None, 5),
        ("two or more cars", 2, None),
        ("more than two cars", 3, None),
        ("a couple of dogs", 2, None),
        ("a dozen people", 12, None),
        ("some cars", None, None),
        ("a pair of scissors", None, None),
    ],
)
def test_a_number_or_a_word_for_many_is_kept(text: str, count: int | None, least: int | None) -> None:
    (thing,) = read(text).things
    assert (thing.count, thing.least) == (count, least)


def test_fewer_than_a_number_is_no_number_that_must_be_reached() -> None:
    (thing,) = read("fewer than three people").things
    assert (thing.count, thing.attributes) == (None, ("fewer than three",))


@pytest.mark.parametrize("text", ["people walking on a path", "people walking along the towpath"])
def test_what_one_walks_on_is_a_place(text: str) -> None:
    assert [thing.kind for thing in read(text).things] == ["thing", "place"]
