"""SQLite and PostgreSQL take texts and queries apart alike, and find the same moments."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engines.naming import NameMatcher
from search import Filters, find
from search.fulltext import held_by_any, matching
from search.query import parse_query
from search.scope import Scope
from storage import Database
from tests.archive import Film, Seen, embedder, make_home

pytestmark = pytest.mark.slow

TEXTS = (
    "person riding a bicycle",
    "2 people ride bicycles",
    "a delivery man's van, parked",
    "ERROR 504 gateway timeout",
    'text on screen: "don\'t e-mail foo_bar@example.com"',
    "café naïve ÉCLAIR straße İstanbul",
    "http://example.com/a/b?c=1 <b>bold</b> &amp; 3.5e10 0x1F 12abc -7 +5 1,000",
    "the of and to is on in",
    "русский текст и 日本語",
    "traffic lights at a railway crossing; trains, cargo and generalization",
    "e\u0301clair with a combining accent",
)
EXPRESSIONS = (
    '"bicycle"',
    '"riding" AND "bicycles"',
    '"delivery man"',
    '"man delivery"',
    '("person" OR "people") AND ("bicycle")',
    '"eclair" OR "CAFE"',
    '"the" AND "of"',
    '"e-mail"',
    '"don\'t"',
    '"504 gateway"',
    '"1000"',
    '"3"',
    '"5e10"',
    '"train" AND "light"',
    '"generals"',
    '"русский"',
    '"1f" OR "0x1f"',
    '"b" AND "bold"',
)


@pytest.fixture(scope="module")
def both(
    postgres_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Database]]:
    seen = [Seen(start_s=float(i), end_s=i + 0.5, text=words) for i, words in enumerate(TEXTS)]
    films = [
        Film(name="all.mp4", seen=seen),
        Film(name="more.mp4", seen=[Seen(start_s=1.0, end_s=30.0, text="bus in traffic with 4 cars")]),
    ]
    with (
        make_home(tmp_path_factory.mktemp("home"), films) as one,
        make_home(postgres_home, films) as other,
    ):
        yield one, other


EVERYTHING = Scope(library_id=None, spans=None, allowed=None, undated=0)


def found(db: Database, expression: str) -> list[int]:
    with db.reading() as session:
        return sorted(id for id, _ in matching(session, expression, scope=EVERYTHING, most=100, k=100))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_holds_of_the_same_texts(both: tuple[Database, Database], expression: str) -> None:
    sqlite, postgresql = both
    assert found(postgresql, expression) == found(sqlite, expression)


def test_accents_and_stems_and_small_words_are_found(both: tuple[Database, Database]) -> None:
    _, postgresql = both
    assert found(postgresql, '"eclair" OR "CAFE"') == [6, 11]
    assert found(postgresql, '"riding" AND "bicycles"') == [1, 2]
    assert found(postgresql, '"the" AND "of"') == [8]


WORDS = sorted({word for line in TEXTS for word in line.replace('"', "").split()})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(typed=st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join))
def test_whatever_is_typed_of_what_is_there_is_looked_up_alike(
    both: tuple[Database, Database], typed: str
) -> None:
    sqlite, postgresql = both
    if not any(c.isalnum() for c in typed):
        typed = "a"
    for expression in parse_query(f'{typed} "{typed}"').expressions(lambda names: names):
        assert found(postgresql, expression) == found(sqlite, expression), expression


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(typed=st.text(min_size=1, max_size=30).filter(lambda t: any(c.isalnum() for c in t)))
def test_no_query_is_too_strange_for_the_server(both: tuple[Database, Database], typed: str) -> None:
    _, postgresql = both
    for expression in parse_query(typed).expressions(lambda names: names):
        found(postgresql, expression)


def test_names_that_are_there_are_the_same(both: tuple[Database, Database]) -> None:
    names = ["bicycles", "delivery man", "man delivery", "submarine", "people", "café", "train"]
    answers = []
    for db in both:
        with db.reading() as session:
            answers.append(held_by_any(session, names))
    assert answers[0] == answers[1] == ("bicycles", "delivery man", "people", "café", "train")


@pytest.mark.parametrize(
    "query",
    ["someone riding a bicycle", "a cyclist", "error", "a bus in traffic", '"don\'t"', "cars", "a person"],
)
def test_a_search_finds_the_same_hits(both: tuple[Database, Database], query: str) -> None:
    matcher, limits = NameMatcher(embedder()), Filters(limit=50)
    one, other = (
        find(db, db.home, query, embedder=embedder(), matcher=matcher, filters=limits) for db in both
    )
    assert one.hits
    assert {hit.members for hit in one.hits} == {hit.members for hit in other.hits}
    assert one.searched == other.searched
