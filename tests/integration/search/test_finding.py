"""Searches on a real home, with the real embedder and name matcher."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engines.naming import NameMatcher
from search import Filters, Searcher, SearchResult, find
from storage import Database
from storage.vectors import build_generation
from tests.archive import Film, Seen, add_film, embedder, make_home
from tests.homes import BACKENDS, fresh_home

Finder = Callable[..., SearchResult]

BIKES = Film(
    name="bikes.mp4",
    seen=[
        Seen(start_s=0.0, end_s=3.0, text="3 cars"),
        Seen(start_s=2.0, end_s=5.0, text="2 cars"),
        Seen(start_s=7.48, end_s=9.68, text="person riding a bicycle"),
        Seen(start_s=7.5, end_s=9.9, text="1 bicycle, 1 person", confidence=0.9),
        Seen(start_s=12.0, end_s=20.0, text="bus in traffic with 4 cars"),
        Seen(start_s=20.3, end_s=22.0, text="bus in traffic with 5 cars"),
        Seen(start_s=50.0, end_s=51.0, text="1 bus"),
    ],
)
SCREEN = Film(
    name="screen.mp4",
    library="support",
    done=2,
    seen=[
        Seen(start_s=1.0, end_s=2.0, text="1 dog"),
        Seen(start_s=3.0, end_s=4.0, text='text on screen: "ERROR 504"'),
        Seen(
            start_s=3.0, end_s=9.0, text="ERROR 504 gateway timeout", source="screen_text", subjects=["text"]
        ),
    ],
)


@pytest.fixture(scope="module", params=BACKENDS)
def archive(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Path]]:
    folder = fresh_home(tmp_path_factory.mktemp("home"), request)
    with make_home(folder, [BIKES, SCREEN]) as db:
        yield db, folder


@pytest.fixture(scope="module")
def finder(archive: tuple[Database, Path]) -> Finder:
    db, folder = archive
    searcher = Searcher(db, folder, embedder=embedder(), matcher=NameMatcher(embedder()))

    def search(query: str, **limits: object) -> SearchResult:
        return searcher.find(query, filters=Filters(**limits))  # type: ignore[arg-type]

    return search


def texts(result: SearchResult) -> list[str]:
    return [hit.text for hit in result.hits]


@pytest.mark.parametrize("query", ["someone riding a bicycle", "a cyclist", "person on a bike", "bicycle"])
def test_a_thing_is_found_by_any_of_its_names(finder: Finder, query: str) -> None:
    hit = finder(query).hits[0]
    assert hit.path == "/archive/bikes.mp4"
    assert (hit.start_s, hit.end_s) == (7.48, 9.9)


@pytest.mark.parametrize(
    "query",
    ["a submarine", "someone riding a horse", "a giraffe", "a traffic light", '"error 505"', "the"],
)
def test_what_was_not_seen_is_not_found(finder: Finder, query: str) -> None:
    result = finder(query)
    assert result.hits == ()
    assert result.searched.videos == 2
    assert result.searched.seconds == pytest.approx(100.0)
    assert result.searched.pending_s == pytest.approx(20.0)


def test_moments_that_overlap_and_say_the_same_are_one_hit_with_all_its_members(finder: Finder) -> None:
    (hit,) = finder("someone riding a bicycle").hits
    assert hit.moment == 3
    assert hit.members == (3, 4)
    assert hit.text == "person riding a bicycle; 1 bicycle, 1 person"
    assert [(part.start_s, part.end_s) for part in hit.parts] == [(7.48, 9.68), (7.5, 9.9)]


def test_a_hit_goes_on_over_the_border_of_a_segment(finder: Finder) -> None:
    hit = finder("a bus in traffic").hits[0]
    assert (hit.start_s, hit.end_s, hit.members) == (12.0, 22.0, (5, 6))


def test_the_same_thing_later_is_a_hit_of_its_own(finder: Finder) -> None:
    assert [(hit.start_s, hit.end_s) for hit in finder("a bus").hits] == [(50.0, 51.0), (12.0, 22.0)]


def test_both_lists_can_find_a_hit_and_why_tells_so(finder: Finder) -> None:
    assert finder("person riding a bicycle").hits[0].why == ("words", "vector")
    (dog,) = finder("an animal").hits
    assert "words" in dog.why


def test_the_first_of_both_lists_scores_one_and_scores_fall(finder: Finder) -> None:
    scores = [hit.score for hit in finder("cars").hits]
    assert scores[0] == 1.0
    assert scores == sorted(scores, reverse=True)


def test_what_nothing_confirms_costs_score_and_hides_nothing(finder: Finder) -> None:
    assert finder("a red bus").hits[0].score < finder("a bus").hits[0].score


def test_claims_stand_under_a_hit_each_subject_in_its_turn(finder: Finder) -> None:
    hit = finder("a cyclist").hits[0]
    assert hit.num_claims == 4
    assert [claim.subject for claim in hit.claims[:2]] in (["person", "bicycle"], ["bicycle", "person"])
    assert hit.claims[0].confidence == 0.9
    assert all(claim.boxes and hit.start_s <= claim.time_s <= hit.end_s for claim in hit.claims)


def test_what_is_read_off_the_screen_is_found_by_its_words(finder: Finder) -> None:
    (hit,) = finder('the words "error 504"').hits
    assert {part.text for part in hit.parts} == {'text on screen: "ERROR 504"', "ERROR 504 gateway timeout"}


def test_one_text_on_screen_is_one_hit_over_the_border_of_two_segments(home: Path) -> None:
    lines = [
        (18.0, 19.6, "Harbour closed"),
        (20.0, 22.0, "Harbour closed tonight"),
        (22.9, 23.5, "ed tonight"),
    ]
    seen = [
        Seen(start_s=start_s, end_s=end_s, text=text, source=source, subjects=["text"])
        for start_s, end_s, read in lines
        for text, source in ((f'text on screen: "{read}"', "statement"), (read, "screen_text"))
    ]
    with make_home(home, [Film(name="ticker.mp4", seen=seen)]) as db:
        result = find(db, home, "harbour closed", embedder=embedder(), matcher=NameMatcher(embedder()))
    assert [(hit.start_s, hit.end_s, len(hit.members)) for hit in result.hits] == [(18.0, 22.0, 4)]


HELMETS = Film(
    name="site.mp4",
    seen=[
        Seen(start_s=1.0, end_s=3.0, text="person riding a bicycle"),
        Seen(
            start_s=5.0, end_s=6.0, text="is anyone without a helmet? Yes: the cyclist", source="answer",
            subjects=["person"],
        ),
        Seen(
            start_s=8.0, end_s=9.0, text="is anyone without a helmet? No: both people wear one",
            source="answer", subjects=["person"],
        ),
        Seen(start_s=25.0, end_s=27.0, text="1 person"),
    ],
)  # fmt: skip


@pytest.mark.parametrize("query", ["someone without a helmet", "a person not wearing a helmet", "no helmet"])
def test_what_a_query_denies_is_found_where_a_stored_answer_states_it_and_nowhere_else(
    home: Path, query: str
) -> None:
    with make_home(home, [HELMETS]) as db:
        result = find(db, home, query, embedder=embedder(), matcher=NameMatcher(embedder()))
    assert [hit.start_s for hit in result.hits] == [5.0]
    assert len(result.denied) == 1


@pytest.mark.parametrize("query", ["nobody on a bicycle", "a person who isn't walking", "no people"])
def test_silence_proves_no_absence(home: Path, query: str) -> None:
    with make_home(home, [HELMETS]) as db:
        result = find(db, home, query, embedder=embedder(), matcher=NameMatcher(embedder()))
    assert (result.hits, len(result.denied)) == ((), 1)


CROWDS = Film(
    name="square.mp4",
    seen=[
        Seen(start_s=1.0, end_s=2.0, text="person"),
        Seen(start_s=5.0, end_s=10.0, text="4 people and 2 cars"),
        Seen(start_s=10.0, end_s=15.0, text="9 people and 2 cars"),
        Seen(start_s=15.0, end_s=18.0, text="7 people and 2 cars"),
    ],
)


@pytest.mark.parametrize(
    ("query", "enough", "fewer"),
    [
        ("two people", [(5.0, 18.0)], [(1.0, 2.0)]),
        ("a crowd", [(10.0, 18.0)], [(1.0, 2.0), (5.0, 10.0)]),
        ("nine people", [(10.0, 15.0)], [(1.0, 2.0), (5.0, 10.0), (15.0, 18.0)]),
        ("a person", [(1.0, 2.0), (5.0, 18.0)], []),
    ],
)
def test_moments_with_at_least_so_many_come_first_and_the_others_say_that_they_have_fewer(
    home: Path, query: str, enough: list[tuple[float, float]], fewer: list[tuple[float, float]]
) -> None:
    with make_home(home, [CROWDS]) as db:
        hits = find(db, home, query, embedder=embedder(), matcher=NameMatcher(embedder())).hits
    assert sorted((hit.start_s, hit.end_s) for hit in hits if not hit.fewer) == enough
    assert sorted((hit.start_s, hit.end_s) for hit in hits if hit.fewer) == fewer
    assert [bool(hit.fewer) for hit in hits] == sorted(bool(hit.fewer) for hit in hits)


def test_a_place_and_a_deed_that_nothing_confirms_are_told_and_hide_nothing(finder: Finder) -> None:
    hit = finder("people walking on a path").hits[0]
    assert set(hit.unproven) == {"walking", "path"}


def test_a_library_limits_hits_and_what_was_searched(finder: Finder) -> None:
    assert finder("a bus", library="support").hits == ()
    dog = finder("a dog", library="support")
    assert len(dog.hits) == 1
    assert (dog.searched.videos, dog.searched.seconds) == (1, 40.0)
    assert dog.hits[0].libraries == ("support",)


def test_an_unknown_library_names_those_that_there_are(finder: Finder) -> None:
    with pytest.raises(ValueError, match=r"no library 'suport'; there are: default, support"):
        finder("a bus", library="suport")


@pytest.mark.parametrize("label", ["bus", "Buses", " bus "])
def test_a_label_limits_hits_to_claims_about_it_in_any_spelling(finder: Finder, label: str) -> None:
    result = finder("cars", labels=(label,))
    assert texts(result) == ["bus in traffic with 4 cars; bus in traffic with 5 cars"] or texts(result) == [
        "bus in traffic with 5 cars; bus in traffic with 4 cars"
    ]


def test_several_labels_mean_any_of_them(finder: Finder) -> None:
    assert len(finder("a vehicle", labels=("bicycle", "bus"), limit=9).hits) == 3


def test_a_label_that_the_vocabulary_knows_may_find_nothing(finder: Finder) -> None:
    assert finder("a bus", labels=("giraffe",)).hits == ()


def test_an_unknown_label_names_near_ones(finder: Finder) -> None:
    with pytest.raises(ValueError, match="nothing is labelled 'bicyle'; near that: bicycle"):
        finder("a bus", labels=("bicyle",))


def test_the_least_score_and_the_limit_cut_the_end_off(finder: Finder) -> None:
    everything = finder("a vehicle").hits
    assert len(everything) > 2
    assert finder("a vehicle", limit=2).hits == everything[:2]
    least = everything[0].score
    assert all(hit.score >= least for hit in finder("a vehicle", min_score=least).hits)
    assert len(finder("a vehicle", min_score=least).hits) < len(everything)


def test_find_is_a_searcher_used_once(archive: tuple[Database, Path], finder: Finder) -> None:
    db, folder = archive
    once = find(db, folder, "a bus", embedder=embedder(), matcher=NameMatcher(embedder()))
    assert once == finder("a bus")


def test_an_empty_home_finds_nothing_in_nothing(home: Path) -> None:
    with make_home(home, []) as db:
        result = find(db, home, "a bus", embedder=embedder(), matcher=NameMatcher(embedder()))
    assert (result.hits, result.searched.videos, result.searched.seconds) == ((), 0, 0.0)


def test_an_open_searcher_sees_what_is_stored_later_and_forgets_what_it_remembered(home: Path) -> None:
    with make_home(home, [SCREEN]) as db:
        searcher = Searcher(db, home, embedder=embedder(), matcher=NameMatcher(embedder()))
        before = searcher.find("a bus")
        assert (before.hits, before.searched.seconds) == ((), 40.0)
        add_film(db, BIKES)
        after = [searcher.find("a bus") for _ in range(3)]
        assert all(len(result.hits) == 2 and result.searched.seconds == 100.0 for result in after)
        assert after[0].hits[0].why == ("words", "vector")


def test_the_same_text_all_along_is_one_hit_however_long_the_lists_are(home: Path) -> None:
    seen = [Seen(start_s=i * 2.0, end_s=i * 2.0 + 1.5, text=f"{i % 3 + 1} dogs") for i in range(700)]
    film = Film(name="kennel.mp4", seen=seen, duration_s=1400.0, window_s=100.0)
    other = Film(name="other.mp4", seen=[Seen(start_s=1, end_s=2, text="a dog sleeping on a sofa")])
    with make_home(home, [film, other]) as db:
        result = find(db, home, "dogs", embedder=embedder(), matcher=NameMatcher(embedder()))
    spans = {(hit.path, hit.start_s, hit.end_s, len(hit.members)) for hit in result.hits}
    assert spans == {("/archive/kennel.mp4", 0.0, 1399.5, 700), ("/archive/other.mp4", 1.0, 2.0, 1)}


def test_texts_that_drift_do_not_make_one_hit_of_a_film(home: Path) -> None:
    words = ["person", "car", "bus", "dog", "horse", "bicycle", "truck", "boat", "train", "chair", "bench"]
    seen = [
        Seen(
            start_s=i * 5.0,
            end_s=i * 5.0 + 5.0,
            text=f"person with {words[i]}, {words[i + 1]}, {words[i + 2]}",
        )
        for i in range(8)
    ]
    with make_home(home, [Film(name="drift.mp4", seen=seen)]) as db:
        result = find(db, home, "a person", embedder=embedder(), matcher=NameMatcher(embedder()))
    assert len(result.hits) > 3
    assert max(hit.end_s - hit.start_s for hit in result.hits) <= 15.0


def test_moments_of_two_runs_that_say_the_same_are_one_hit(home: Path) -> None:
    seen = [Seen(start_s=1.0, end_s=3.0, text="1 bus")]
    films = [Film(name="a.mp4", seen=seen), Film(name="a.mp4", seen=seen, fingerprint="f2")]
    with make_home(home, films) as db:
        result = find(db, home, "a bus", embedder=embedder(), matcher=NameMatcher(embedder()))
    assert [hit.members for hit in result.hits] == [(1, 2)]
    assert result.searched.seconds == 60.0


def test_a_search_without_a_vector_index_gives_the_same(home: Path) -> None:
    with make_home(home, [BIKES], index=False) as db:
        without = find(db, home, "a bus", embedder=embedder(), matcher=NameMatcher(embedder()))
        build_generation(db, home, embedder=embedder().name)
        assert find(db, home, "a bus", embedder=embedder(), matcher=NameMatcher(embedder())) == without
    assert len(without.hits) == 2


def test_times_count_from_the_first_frame_in_a_player(home: Path) -> None:
    film = Film(name="late.ts", start_s=3601.0, seen=[Seen(start_s=3605.5, end_s=3606.0, text="1 bus")])
    with make_home(home, [film]) as db:
        (hit,) = find(db, home, "a bus", embedder=embedder(), matcher=NameMatcher(embedder())).hits
    assert (hit.start_s, hit.player_start_s) == (3605.5, 4.5)
