"""Everyday queries over films that the default engine has indexed: what they find, and what they must not."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines.naming import NameMatcher
from search import Searcher, SearchResult
from storage import Database
from tests.archive import embedder
from tests.named import sample

ROOT = Path(__file__).parents[3]
FILMS = ("bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4")

Finder = Callable[[str], SearchResult]


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finder]:
    home = tmp_path_factory.mktemp("films")
    question = "is anyone riding a bicycle?"
    films = [str(sample(name)) for name in FILMS]
    command = [sys.executable, "-m", "proofreel", "index", *films, "-q", question, "--home", str(home)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    with Database.open(home) as db:
        yield Searcher(db, home, embedder=embedder(), matcher=NameMatcher(embedder())).find


@pytest.mark.parametrize(
    ("query", "film", "span"),
    [
        ("someone riding a bicycle", "bikes.mp4", (4.36, 5.48)),
        ("a cyclist or a horse", "bikes.mp4", (4.36, 5.48)),
        ("a bus", "bikes.mp4", (3.04, 5.48)),
        ("cars in traffic", "bikes.mp4", (1.2, 1.48)),
        ("more than two cars", "bikes.mp4", (1.2, 1.48)),
        ("several cars", "bikes.mp4", (1.2, 1.48)),
        ("two ties", "carphone_pristine.mp4", (0.0, 4.0)),
        ("a bird", "bigbuckbunny.mp4", None),
        ("an animal", "bigbuckbunny.mp4", None),
    ],
)
def test_the_best_hit_is_where_it_can_be_seen_and_proves_all_that_was_asked_for(
    finder: Finder, query: str, film: str, span: tuple[float, float] | None
) -> None:
    best = finder(query).hits[0]
    assert Path(best.path or "").name == film
    assert (best.unproven, best.fewer) == ((), ())
    assert span is None or (best.start_s, best.end_s) == pytest.approx(span, abs=0.3)
    assert best.claims


@pytest.mark.parametrize(
    ("query", "unproven"),
    [
        ("people walking on a path", {"walking", "path"}),
        ("pedestrians along a towpath", {"towpath"}),
        ("a red car", {"red"}),
        ("a person on the stairs", {"stairs"}),
        ("a parked car near the kerb", {"parked", "kerb"}),
    ],
)
def test_what_the_engine_cannot_see_is_told_and_hides_nothing(
    finder: Finder, query: str, unproven: set[str]
) -> None:
    hits = finder(query).hits
    assert hits
    assert all(set(hit.unproven) == unproven for hit in hits)


@pytest.mark.parametrize("query", ["two people", "a crowd", "a group of people", "many buses"])
def test_fewer_than_were_asked_for_are_never_shown_as_if_they_were_enough(finder: Finder, query: str) -> None:
    hits = finder(query).hits
    assert hits
    assert all(hit.fewer and hit.score <= 0.5 for hit in hits)


@pytest.mark.parametrize(
    "query",
    ["someone without a helmet", "a car that isn't moving", "nobody in the street", "no cars", "zero buses"],
)
def test_nothing_proves_an_absence(finder: Finder, query: str) -> None:
    result = finder(query)
    assert (result.hits, len(result.denied)) == ((), 1)


@pytest.mark.parametrize(
    "query",
    [
        "a horse",
        "someone riding a horse",
        "a submarine",
        "a kitchen",
        "the",
        '"error 504"',
        "a sofa or a goat",
    ],
)
def test_what_is_not_there_is_not_found(finder: Finder, query: str) -> None:
    result = finder(query)
    assert (result.hits, result.denied) == ((), ())
    assert result.searched.videos == len(FILMS)
