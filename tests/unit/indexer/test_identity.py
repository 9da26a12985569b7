from __future__ import annotations

import os
from pathlib import Path

import pytest

from grounding.errors import Unreadable
from indexer.identity import ChangedWhileRead, check_unchanged, content_hash, stamp


def test_equal_content_has_an_equal_hash_and_a_byte_in_the_middle_changes_it(tmp_path: Path) -> None:
    content = bytearray(os.urandom(1000) * 8000)
    first, copy, other = (tmp_path / name for name in ("first", "copy", "other"))
    first.write_bytes(content)
    copy.write_bytes(content)
    content[len(content) // 2] ^= 1
    other.write_bytes(content)

    assert content_hash(first) == content_hash(copy) != content_hash(other)
    assert len(content_hash(first)) == 64


def test_a_file_that_grew_while_it_was_read_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "growing"
    path.write_bytes(b"1")
    before = stamp(path)
    check_unchanged(path, before)
    path.write_bytes(b"12")

    with pytest.raises(ChangedWhileRead, match="changed while it was being read"):
        check_unchanged(path, before)


def test_a_file_that_is_gone_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="moved"):
        stamp(tmp_path / "gone")
    with pytest.raises(Unreadable, match="No such file"):
        content_hash(tmp_path / "gone")
