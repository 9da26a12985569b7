from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from indexer.library import FoundFile, Rejected, scan


def found(*paths: Path, home: Path) -> list[Path]:
    return [f.path for f in scan(paths, home=home) if isinstance(f, FoundFile)]


def rejected(*paths: Path, home: Path) -> list[Rejected]:
    return [f for f in scan(paths, home=home) if isinstance(f, Rejected)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "elsewhere" / ".proofreel"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name in ("b/2.mp4", "b/1.mp4", "a.mp4", ".hidden.mp4", ".folder/x.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * len(name))
    return root


def test_every_file_is_found_once_in_a_fixed_order_hidden_ones_too(tree: Path, home: Path) -> None:
    names = [str(p.relative_to(tree)) for p in found(tree, tree / "b", tree / "a.mp4", home=home)]

    assert names == [".folder/x.txt", ".hidden.mp4", "a.mp4", "b/1.mp4", "b/2.mp4"]


def test_a_found_file_has_its_size_and_time_and_tells_whether_it_was_named(tree: Path, home: Path) -> None:
    by_name = {
        f.path.name: f for f in scan([tree / "a.mp4", tree / "b"], home=home) if isinstance(f, FoundFile)
    }

    assert by_name["a.mp4"].named and not by_name["1.mp4"].named
    assert by_name["1.mp4"].size_bytes == len("b/1.mp4")
    assert by_name["1.mp4"].mtime_ns == (tree / "b/1.mp4").stat().st_mtime_ns


def test_a_file_that_is_named_after_its_folder_still_counts_as_named(tree: Path, home: Path) -> None:
    by_name = {f.path.name: f for f in scan([tree, tree / "a.mp4"], home=home) if isinstance(f, FoundFile)}

    assert by_name["a.mp4"].named


def test_the_home_folder_is_left_out_also_through_a_link(tree: Path) -> None:
    home = tree / ".proofreel"
    home.mkdir()
    (home / "proofreel.db").write_bytes(b"db")
    (tree / "z-link").symlink_to(home, target_is_directory=True)

    assert not [p for p in found(tree, home=home) if p.name == "proofreel.db"]


def test_a_link_that_loops_ends(tree: Path, home: Path) -> None:
    (tree / "b" / "up").symlink_to(tree, target_is_directory=True)

    assert [p.name for p in found(tree, home=home)] == ["x.txt", ".hidden.mp4", "a.mp4", "1.mp4", "2.mp4"]


def test_names_with_a_newline_or_bytes_that_are_no_text_are_found(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "two\nlines.mp4").touch()
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.mp4")).touch()

    assert {os.fsencode(p.name) for p in found(folder, home=home)} == {b"two\nlines.mp4", b"\xff\xfe.mp4"}


def test_what_is_no_regular_file_is_named_with_its_kind(tree: Path, home: Path) -> None:
    os.mkfifo(tree / "pipe")
    (tree / "gone").symlink_to(tree / "nothing")

    reasons = {r.path.name: (r.reason, r.failed) for r in rejected(tree, home=home)}

    assert reasons == {
        "pipe": ("not a regular file but a pipe", False),
        "gone": ("a link to nothing", False),
    }


def test_a_named_path_that_is_missing_is_a_failure_and_the_others_go_on(tree: Path, home: Path) -> None:
    items = list(scan([tree / "missing", tree / "a.mp4"], home=home))

    assert isinstance(items[0], Rejected) and items[0].failed and "no such file or folder" in items[0].reason
    assert isinstance(items[1], FoundFile)


def test_a_very_deep_tree_is_walked_to_its_end(tmp_path: Path, home: Path) -> None:
    deep = tmp_path / "deep"
    depth = 1500
    folder = os.open(tmp_path, os.O_RDONLY)
    name = "deep"
    for _ in range(depth):
        os.mkdir(name, dir_fd=folder)
        inner = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder, name = inner, "d"
    os.close(os.open("end.mp4", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)

    names = [p.name for p in found(deep, home=home)]
    # Too deep for the standard library's own removal, which would fail when the temporary folder is emptied.
    subprocess.run(["rm", "-rf", deep], check=True)
    assert names == ["end.mp4"]
