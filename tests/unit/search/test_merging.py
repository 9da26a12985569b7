import pytest

from search.merging import TOUCH_S, Candidate, content_words, joined, says_the_same


def moment(
    id: int, start_s: float, end_s: float, *, text: str = "1 bus", source: str = "statement"
) -> Candidate:
    return Candidate(id=id, video_id=1, start_s=start_s, end_s=end_s, text=text, source=source)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2 cars", "3 cars", True),
        ("1 bicycle, 1 person", "person riding a bicycle", True),
        ("A man walks a dog.", "a man walking the dog", True),
        ("1 bus", "bus in traffic with 4 cars", False),
        ("1 bus", "1 car", False),
        ("person riding a bicycle", "person riding a horse", False),
        ("504", "504", True),
        ("504", "505", False),
    ],
)
def test_texts_say_the_same_when_they_share_most_words(one: str, other: str, same: bool) -> None:
    assert says_the_same(moment(1, 0, 1, text=one), moment(2, 0, 1, text=other)) is same
    assert says_the_same(moment(2, 0, 1, text=other), moment(1, 0, 1, text=one)) is same


@pytest.mark.parametrize(
    ("read", "text", "source", "same"),
    [
        ("Error 504", 'text on screen: "Error 504"', "statement", True),
        ("Error 504", 'text on screen: "Error 504", "Connection lost"', "statement", True),
        ("Error 504", "error504", "screen_text", True),
        ("Harbour closed tonight", "Harbo", "screen_text", True),
        ("Harbour closed tonight", "ed tonight", "screen_text", True),
        ("Harbour closed tonight", "ht", "screen_text", False),
        ("Error 504", 'text on screen: "Retry"', "statement", False),
        ("Error 504", 'a dialog that says "Error 504"', "statement", False),
        ("504", 'text on screen: "505"', "statement", False),
    ],
)
def test_a_text_that_was_read_says_the_same_as_the_statement_that_quotes_it_or_a_piece_of_it(
    read: str, text: str, source: str, same: bool
) -> None:
    one = moment(1, 0, 1, text=read, source="screen_text")
    other = moment(2, 0, 1, text=text, source=source)
    assert says_the_same(one, other) is says_the_same(other, one) is same


def test_what_is_read_is_not_what_is_seen() -> None:
    assert not says_the_same(moment(1, 0, 1, source="screen_text"), moment(2, 0, 1))


def test_numbers_and_small_words_are_no_content() -> None:
    assert content_words("There are 2 buses, and two of the men.") == content_words("bus men")


def test_moments_that_overlap_or_nearly_touch_are_joined_in_order() -> None:
    leader = moment(2, 10, 12)
    others = [moment(3, 12 + TOUCH_S, 15), moment(1, 8, 11), moment(4, 15 + TOUCH_S + 0.01, 20)]
    assert [part.id for part in joined(leader, others)] == [1, 2, 3]


def test_a_long_moment_reaches_over_a_short_one_that_ends_before_it() -> None:
    leader = moment(1, 0, 30)
    assert [part.id for part in joined(leader, [moment(2, 1, 2), moment(3, 30.5, 31)])] == [1, 2, 3]


def test_only_the_group_of_the_leader_counts() -> None:
    assert joined(moment(1, 0, 1), [moment(2, 50, 51)]) == [moment(1, 0, 1)]
