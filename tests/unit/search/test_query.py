import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.query import MOST_WORDS, Query, names_of, parse_query


def everything_there(names: tuple[str, ...]) -> tuple[str, ...]:
    return names


def expressions(text: str) -> tuple[str, ...]:
    return parse_query(text).expressions(everything_there)


@pytest.fixture(scope="module")
def fts() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE moment_fts USING fts5(text, tokenize='porter unicode61')")
    texts = ["person riding a bicycle", "3 buses", "a bus near a wall", "two people", 'text: "ERROR 504"']
    connection.executemany("INSERT INTO moment_fts (text) VALUES (?)", [(text,) for text in texts])
    return connection


def matched(fts: sqlite3.Connection, expression: str) -> list[str]:
    found = fts.execute("SELECT text FROM moment_fts WHERE moment_fts MATCH ?", (expression,))
    return [row[0] for row in found]


def test_small_words_and_asking_words_are_left_out() -> None:
    assert parse_query("Show me someone riding a bike in the street").words == ("riding", "bike", "street")


def test_what_stands_in_quotation_marks_stays_one_phrase() -> None:
    query = parse_query("a dialog with “Error 504” in it")
    assert query.phrases == ("error 504",)
    assert "error" not in query.words


def test_a_query_of_small_words_alone_keeps_them_and_says_so() -> None:
    query = parse_query("it is the")
    assert (query.words, query.small) == (("it", "is", "the"), True)
    assert not parse_query("it is the bus").small


@pytest.mark.parametrize("text", ["", "  \n\t ", '""', "?!", "* - :", "🚲", "\x00"])
def test_a_query_without_words_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="say what should be in the picture"):
        parse_query(text)


def test_a_thing_is_needed_by_every_name_that_it_has() -> None:
    (person, bicycle) = parse_query("someone riding a bike").needed
    assert {"person", "people", "woman", "women", "cyclist"} <= set(person)
    assert {"bike", "bicycle", "cyclist"} <= set(bicycle)
    assert "horse" not in bicycle


def test_one_of_several_things_is_needed_where_the_query_says_or() -> None:
    ((*names,),) = parse_query("a dog or a bird").needed
    assert {"dog", "bird", "pigeon"} <= set(names)
    assert parse_query("a dog or a submarine").needed == ()


def test_what_must_not_be_there_is_not_needed() -> None:
    assert parse_query("a worker without a backpack").needed == parse_query("a worker").needed


def test_a_thing_outside_the_vocabulary_is_a_word_and_nothing_more() -> None:
    query = parse_query("a submarine")
    assert (query.words, query.needed) == (("submarine",), ())


def test_the_strictest_expression_comes_first_and_the_loosest_still_holds_what_is_needed(
    fts: sqlite3.Connection,
) -> None:
    strict, loose = expressions("a bus near a big wall")
    assert matched(fts, strict) == []  # nothing is said to be big
    assert matched(fts, loose) == ["3 buses", "a bus near a wall"]


def test_irregular_plurals_are_found(fts: sqlite3.Connection) -> None:
    (expression,) = expressions("a person")
    assert matched(fts, expression) == ["person riding a bicycle", "two people"]


def test_a_phrase_must_be_there_word_by_word(fts: sqlite3.Connection) -> None:
    assert matched(fts, expressions('"error 504"')[-1]) == ['text: "ERROR 504"']
    assert matched(fts, expressions('"504 error"')[-1]) == []


def test_nothing_is_looked_up_when_no_text_holds_a_needed_thing() -> None:
    assert parse_query("a horse").expressions(lambda names: ()) == ()


@pytest.mark.parametrize(
    "text",
    [
        'bus" OR "1', "bus AND", "NOT bus", "NEAR(bus wall)", "text:bus", "bus*", "^bus", "(bus", "bus)))",
        "-bus", "{text} : bus", "bus + wall", "bus'; DROP TABLE moment; --", "\ud800 bus", "bus\x00wall",
        "автобус bus", "公交车 bus", "bus " * 3000, '"' * 999 + " bus", "bus " + "a" * 10_000,
        "('bus') OR \"x\" \"\"\" ", "o'clock bus", "t-shirt bus",
    ],
)  # fmt: skip
def test_hostile_text_is_searched_for_and_never_obeyed(fts: sqlite3.Connection, text: str) -> None:
    for expression in expressions(text):
        assert set(matched(fts, expression)) <= {"3 buses", "a bus near a wall"}


@given(st.text(max_size=200))
def test_any_text_gives_expressions_that_fts5_takes(text: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE moment_fts USING fts5(text, tokenize='porter unicode61')")
    try:
        query = parse_query(text)
    except ValueError as error:
        assert "say what should be in the picture" in str(error)
        return
    for expression in query.expressions(everything_there):
        matched(connection, expression)
    connection.close()


@given(st.lists(st.sampled_from(["bus", "red", '"', "'", "a", "x1", "-", "(", "*"]), max_size=400))
def test_no_query_is_longer_than_fts5_takes(words: list[str]) -> None:
    try:
        query = parse_query(" ".join(words))
    except ValueError:
        return
    assert len(query.words) <= MOST_WORDS
    assert len(query.phrases) <= MOST_WORDS


@pytest.mark.parametrize(
    ("query", "text", "subjects", "possible"),
    [
        ("someone riding a horse", "person riding a bicycle", (), False),
        ("someone riding a bike", "2 cyclists", (), True),
        ("buses", "a BUS.", (), True),
        ("knives", "2 knives", (), True),
        ("a fire engine", "Yes", ("fire engine",), True),
        ("a bus", "From 1 to 2 s", ("buses",), True),
        ("a bus", "a business", (), False),
        ('"error 504"', "ERROR504!", (), True),
        ('"error 504"', "error 505", (), False),
        ("a submarine", "anything", (), True),
    ],
)
def test_what_can_not_fit_is_known_without_reading_it(
    query: str, text: str, subjects: tuple[str, ...], possible: bool
) -> None:
    assert parse_query(query).could_fit(text, subjects) is possible


def test_names_of_nothing_are_none() -> None:
    assert names_of((), said="") == ()
    assert Query(text="x", words=("x",), phrases=(), needed=()).expressions(everything_there) == ('"x"',)
