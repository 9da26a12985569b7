"""The error tree, and the one form of its messages."""

from __future__ import annotations

import pytest

from grounding import errors
from grounding.errors import (
    Damaged,
    MediaError,
    NoVideoStream,
    ProofreelError,
    TimedOut,
    UnknownFormat,
    Unreadable,
    printable,
)


def test_the_tree_is_the_one_that_its_docstring_draws() -> None:
    drawn: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.lstrip(" │├└─").split(" ")[0].split("(")[0]
        if line.startswith("    ") and name:
            drawn.append((line.index(name) // 4, name))
    stack: dict[int, str] = {}
    pairs = []
    for depth, name in drawn:
        stack[depth] = name
        pairs.append((name, stack.get(depth - 1, "Exception")))
    defined = {
        (name, value.__base__.__name__)
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert set(pairs) == defined and len(pairs) == 13


@pytest.mark.parametrize("kind", [Unreadable, UnknownFormat, NoVideoStream, Damaged, TimedOut])
def test_every_media_error_is_caught_as_ours_and_knows_its_place(kind: type[MediaError]) -> None:
    with pytest.raises(ProofreelError) as caught:
        raise kind("a/b.mp4", "no frame decodes: copy the file again", position_s=12.5)
    error = caught.value
    assert isinstance(error, MediaError)
    assert (error.path, error.position_s) == ("a/b.mp4", 12.5)
    assert str(error) == "a/b.mp4 at 12.500 s: no frame decodes: copy the file again"


def test_an_error_of_the_whole_file_names_no_time() -> None:
    assert str(Unreadable(b"a.mp4", "not a video")) == "a.mp4: not a video"


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("line\nbreak.mp4", "line\\nbreak.mp4"),
        (b"\xff.mp4", "\\udcff.mp4"),
        ("\x1b[31mred.mp4", "\\x1b[31mred.mp4"),
        ("\u202egnp.mp4", "\\u202egnp.mp4"),
        ("naïve 道.mp4", "naïve 道.mp4"),
    ],
)
def test_a_hostile_file_name_is_shown_on_one_printable_line(path: str | bytes, shown: str) -> None:
    assert printable(path) == shown
    assert str(Unreadable(path, "x")) == f"{shown}: x"


def test_our_errors_are_no_value_errors() -> None:
    assert not issubclass(ProofreelError, ValueError)
