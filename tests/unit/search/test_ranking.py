import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.ranking import K, Ranked, dense_ranks, doubt, fuse
from search.results import Why


def test_equal_scores_share_a_rank_and_no_rank_is_left_out() -> None:
    assert dense_ranks([(7, 0.9), (3, 0.9), (5, 0.5)]) == [(3, 1), (7, 1), (5, 2)]


def test_ranks_go_on_after_those_that_are_taken() -> None:
    assert dense_ranks([(1, 2.0), (2, 1.0)], after=4) == [(1, 5), (2, 6)]


def test_scores_that_differ_in_their_last_digits_are_equal() -> None:
    assert dense_ranks([(1, 1.0e-6), (2, 1.0e-6 * (1 - 1e-9)), (3, 0.9e-6)]) == [(1, 1), (2, 1), (3, 2)]


def test_first_in_both_lists_is_one_and_first_in_one_of_two_is_a_half() -> None:
    both, one = fuse({"words": [(1, 1), (2, 1)], "vector": [(1, 1)]})
    assert both == Ranked(moment=1, score=1.0, why=("words", "vector"))
    assert one == Ranked(moment=2, score=0.5, why=("words",))


def test_the_score_is_the_sum_of_reciprocal_ranks() -> None:
    (found,) = fuse({"words": [(1, 3)], "vector": [(1, 10)]})
    assert found.score == pytest.approx((1 / (K + 3) + 1 / (K + 10)) / (2 / (K + 1)))


def test_being_in_both_lists_beats_being_high_in_one() -> None:
    ranked = fuse({"words": [(1, 1), (2, 20)], "vector": [(2, 20)]})
    assert [one.moment for one in ranked] == [2, 1]


def test_no_list_gives_no_hit() -> None:
    assert fuse({"words": [], "vector": []}) == []


def test_a_doubt_lowers_a_score_down_to_half() -> None:
    assert [doubt(n) for n in (0, 1)] == [1.0, 0.85]
    assert doubt(50) == 0.5


places = st.dictionaries(st.integers(1, 50), st.integers(1, 300)).map(lambda found: list(found.items()))


@given(places, places)
def test_scores_lie_between_nothing_and_one_and_fall(
    words: list[tuple[int, int]], vector: list[tuple[int, int]]
) -> None:
    lists: dict[Why, list[tuple[int, int]]] = {"words": words, "vector": vector}
    ranked = fuse(lists)
    assert {one.moment for one in ranked} == {m for places in lists.values() for m, _ in places}
    assert all(0.0 < one.score <= 1.0 for one in ranked)
    assert [one.score for one in ranked] == sorted((one.score for one in ranked), reverse=True)
