"""Any path goes into SQL and comes out as it was."""

import os

from hypothesis import given
from hypothesis import strategies as st

from storage import path_to_text, text_to_path

PIECES = st.sampled_from(
    [b"\\", b"\\\\", b"udc80", b"\\udcff", b"\xff", b"\x80", b"\n", "ü".encode(), b"a b"]
)
PATHS = st.one_of(st.binary(min_size=1, max_size=40), st.lists(PIECES, max_size=12).map(b"".join))


@given(PATHS)
def test_the_bytes_of_any_path_come_back(name: bytes) -> None:
    path = b"/" + name.replace(b"\0", b"").strip(b"/").replace(b"/", b"_").replace(b".", b"_")
    text = path_to_text(path)
    text.encode("utf-8")
    assert os.fsencode(text_to_path(text)) == path


@given(PATHS, PATHS)
def test_two_paths_never_share_a_text(one: bytes, other: bytes) -> None:
    clean = [os.path.abspath(b"/" + name.replace(b"\0", b"")) for name in (one, other)]
    assert (path_to_text(clean[0]) == path_to_text(clean[1])) == (clean[0] == clean[1])


def test_an_undecodable_byte_is_written_out() -> None:
    assert path_to_text(b"/v/\xff.mp4") == r"/v/\udcff.mp4"


def test_a_plain_path_is_its_own_text() -> None:
    assert path_to_text("/v/größe \\ 100%.mp4") == "/v/größe \\ 100%.mp4"
