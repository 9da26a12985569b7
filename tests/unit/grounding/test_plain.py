import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.plain import clock, counted, number, plain


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\rb\nc\td", "a b c d"),
        ("\x9b2Jx", "x"),
        ("abc\u202etxt.exe", "abc txt.exe"),
        ("[bold]kept[/bold]", "[bold]kept[/bold]"),
        ("bell\x07", "bell"),
        ("été 公交车", "été 公交车"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(hostile: str, harmless: str) -> None:
    assert plain(hostile) == harmless


@given(st.text())
def test_plain_text_is_one_printable_line(text: str) -> None:
    assert plain(text).isprintable()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0:00.000"), (7.48, "0:07.480"), (59.9996, "1:00.000"), (3601.5, "1:00:01.500"),
        (-0.0001, "0:00.000"),
        (-1.25, "-0:01.250"),
    ],
)  # fmt: skip
def test_times_read_as_a_player_shows_them(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_whole_seconds_have_no_decimals() -> None:
    assert (number(99.5), number(0.0), number(120.04)) == ("99.5", "0", "120")


@pytest.mark.parametrize(
    ("count", "noun", "said"),
    [
        (0, "file", "0 files"),
        (1, "file", "1 file"),
        (2, "reply", "2 replies"),
        (1_000_000, "moment", "1,000,000 moments"),
    ],
)
def test_a_count_stands_with_its_noun_in_the_right_number(count: int, noun: str, said: str) -> None:
    assert counted(count, noun) == said
