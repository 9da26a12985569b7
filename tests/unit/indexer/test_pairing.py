"""Moments of two runs are paired by what they speak of and by time, each once."""

from hypothesis import given
from hypothesis import strategies as st

from grounding.evidence import Box
from indexer.switching.pairing import Boxes, Seen, Told, compare_boxes, has_moved, pair_up

BOX = Box(0.1, 0.1, 0.5, 0.5)


def told(start_s: float, end_s: float, *subjects: str, text: str = "", at_s: float | None = None) -> Told:
    time_s = start_s if at_s is None else at_s
    claims = tuple(Seen(subject=s, time_s=time_s, boxes=(BOX,)) for s in subjects)
    return Told(id=1, start_s=start_s, end_s=end_s, text=text or " ".join(subjects), claims=claims)


def test_the_better_overlap_wins_and_each_has_one_partner() -> None:
    before = [told(0, 4, "car"), told(4, 8, "car")]
    after = [told(3, 8, "car"), told(0, 3, "car")]
    assert pair_up(before, after) == [(0, 1), (1, 0)]


def test_other_things_at_the_same_time_are_no_pair_and_equal_words_without_boxes_are() -> None:
    assert pair_up([told(0, 4, "car")], [told(0, 4, "dog")]) == []
    assert pair_up([told(0, 4, text="it rains")], [told(0, 4, text="it rains")]) == [(0, 0)]
    assert pair_up([told(0, 4, "car")], [told(9, 12, "car")]) == []


def test_a_moment_on_one_frame_finds_itself_again() -> None:
    assert pair_up([told(5, 5, "car")], [told(5, 5, "car")]) == [(0, 0)]


def test_boxes_of_another_time_or_place_are_gone_and_new() -> None:
    here, later = told(0, 4, "car", at_s=1.0), told(0, 4, "car", at_s=2.0)
    assert compare_boxes(here, here) == Boxes(pairs=1, iou_sum=1.0)
    assert compare_boxes(here, later) == Boxes(gone=1, new=1)
    assert not has_moved(here, later) and has_moved(here, told(1, 4, "car"))


moments = st.lists(
    st.builds(
        lambda start, length, subject: told(start, start + length, subject),
        st.integers(0, 40),
        st.integers(0, 10),
        st.sampled_from(["car", "dog"]),
    ),
    max_size=12,
)


@given(moments, moments)
def test_no_moment_is_in_two_pairs_and_a_list_is_paired_with_itself(
    before: list[Told], after: list[Told]
) -> None:
    pairs = pair_up(before, after)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert all(before[r].subjects == after[c].subjects for r, c in pairs)
    assert len(pair_up(before, before)) == len(before)
