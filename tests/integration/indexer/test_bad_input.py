"""Every kind of bad input: one clear sentence, an exit code, and the other files go on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storage import HomeLock
from tests import night_process
from tests.clips import claim_duration, make_audio, make_clip, truncate
from tests.dumping import content, rows
from tests.lamps import lamp_clip

WITHOUT_ROOT_S_POWERS = [
    *("setpriv", "--bounding-set", "-dac_override,-dac_read_search"),
    *("--inh-caps", "-dac_override,-dac_read_search"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one good video in it."""
    path = tmp_path / "videos"
    path.mkdir()
    lamp_clip(path / "good.mp4", seconds=2.0, lit=[(0.5, 1.0)])
    return path


def index(folder: Path, *more: Path | str, code: int) -> dict[str, dict[str, Any]]:
    """`index --json` of the folder; gives the files by name."""
    done = night_process.run_here("index", folder, *more, "--home", folder.parent / "home", "--json")
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    files = json.loads(done.stdout)["files"]
    by_name = {Path(file["path"]).name: file for file in files}
    assert by_name["good.mp4"]["status"] in ("indexed", "unchanged")
    return by_name


def test_a_missing_path_is_named_and_the_others_go_on(folder: Path) -> None:
    file = index(folder, folder / "nothing.mp4", code=1)["nothing.mp4"]

    assert (file["status"], file["reason"]) == ("failed", "no such file or folder; check the path")


def test_a_folder_without_video_is_named(folder: Path) -> None:
    empty = folder.parent / "empty"
    empty.mkdir()
    file = index(folder, empty, code=1)["empty"]

    assert (file["status"], file["reason"]) == (
        "failed",
        "no video lies in this folder; name one that holds videos",
    )


def test_files_that_call_themselves_videos_and_are_none_fail_and_say_why(folder: Path) -> None:
    (folder / "text.mp4").write_text("#EXTM3U\nhttp://example.org/a.mp4\n")
    (folder / "empty.mp4").touch()
    truncate(lamp_clip(folder / "truncated.mp4"), keep=0.5)
    files = index(folder, code=1)

    assert {name: file["status"] for name, file in files.items() if name != "good.mp4"} == {
        "text.mp4": "failed",
        "empty.mp4": "failed",
        "truncated.mp4": "failed",
    }
    assert files["text.mp4"]["reason"].startswith("it is no video in a known format (MP4, Matroska, AVI,")
    assert files["empty.mp4"]["reason"].startswith("the file is empty (0 bytes)")
    assert files["truncated.mp4"]["reason"].startswith("its index (moov) is missing")


def test_a_truncated_file_that_can_be_read_in_part_is_indexed_and_says_what_is_missing(folder: Path) -> None:
    whole = make_clip(folder / "cut.mp4", frames=150, container={"movflags": "faststart"})
    truncate(whole, keep=0.6)
    file = index(folder, code=0)["cut.mp4"]

    assert file["status"] == "indexed" and 1.0 < file["seconds"] < 5.0
    assert file["reason"] == f"the file is cut off: {5 - file['seconds']:.1f} s are missing at its end"
    home = folder.parent / "home"
    (kept,) = json.loads(night_process.run_here("status", "--home", home, "--json").stdout)["cut_off"]
    assert kept["path"] == str(folder / "cut.mp4")
    assert kept["missing_seconds"] == pytest.approx(5 - file["seconds"], abs=0.01)
    told = night_process.run_here("status", "--home", home).stdout
    assert f"cut off      {folder / 'cut.mp4'}: {kept['missing_seconds']:.1f} s are missing" in told


def test_audio_only_is_skipped_in_a_folder_and_fails_when_it_is_named(folder: Path) -> None:
    audio = make_audio(folder / "song.mp4")
    assert index(folder, code=0)["song.mp4"]["status"] == "skipped"

    file = index(folder, audio, code=1)["song.mp4"]
    assert file["status"] == "failed" and "no moving picture, only audio" in file["reason"]


def test_a_video_of_one_pixel_is_indexed(folder: Path) -> None:
    make_clip(
        folder / "dot.mkv",
        frames=10,
        width=1,
        height=1,
        codec="ffv1",
        options={},
        pixel_format="gray",
        picture=lambda number: np.full((1, 1, 3), 200, np.uint8),
    )

    assert index(folder, code=0)["dot.mkv"]["status"] == "indexed"


@pytest.mark.slow
def test_8k_frames_are_indexed(folder: Path) -> None:
    make_clip(
        folder / "8k.mp4",
        frames=3,
        width=7680,
        height=4320,
        options={"preset": "ultrafast"},
        picture=lambda number: np.full((4320, 7680, 3), 200, np.uint8),
    )

    assert index(folder, code=0)["8k.mp4"]["status"] == "indexed"


def test_a_header_of_ten_hours_over_three_frames_counts_as_the_three_frames(folder: Path) -> None:
    path = make_clip(folder / "long.mp4", frames=3)
    claim_duration(path, seconds=36_000)
    file = index(folder, code=0)["long.mp4"]

    assert file["status"] == "indexed" and file["seconds"] < 2.0


def test_names_with_a_newline_and_with_bytes_that_are_no_text_are_indexed_and_printed_in_one_line(
    folder: Path,
) -> None:
    odd = os.fsencode(folder) + b"/two\nlines \xff.mp4"
    shutil.copy(folder / "good.mp4", odd)
    lamp_clip(folder / "tmp.mp4", lit=[(0.0, 0.7)])
    os.rename(folder / "tmp.mp4", odd)

    assert index(folder, code=0)["two\nlines \\udcff.mp4"]["status"] == "indexed"
    done = night_process.run_here("index", folder, "--home", folder.parent / "home")
    assert done.returncode == 0 and done.stdout.startswith("2 files: 2 unchanged")
    shown = night_process.run_here("status", "--home", folder.parent / "home")
    assert shown.returncode == 0, shown.stderr


def test_a_file_that_may_not_be_read_fails_and_says_so(folder: Path) -> None:
    secret = lamp_clip(folder / "secret.mp4")
    secret.chmod(0)
    done = without_root_s_powers("index", folder, "--home", folder.parent / "home")

    assert done.returncode == 1
    assert "no permission to read it; change its permissions or the user" in done.stderr
    assert "2 files: 1 failed, 1 indexed" in done.stdout


@pytest.mark.parametrize(
    ("name", "content", "remembered"),
    [
        ("notes.txt", b"no video at all", True),
        ("empty.txt", b"", False),
        ("empty.mp4", b"", True),
        ("secret.dat", None, False),
    ],
)
def test_only_what_the_content_itself_settles_is_remembered(
    folder: Path, name: str, content: bytes | None, remembered: bool
) -> None:
    path = folder / name
    if content is None:
        lamp_clip(folder / "tmp.mp4", lit=[(0.1, 0.3)]).rename(path)
        path.chmod(0)
        done = without_root_s_powers("index", folder, "--home", folder.parent / "home")
        assert "secret.dat: no permission to read it" in done.stderr
        path.chmod(0o600)
    else:
        path.write_bytes(content)
        index(folder, code=1 if name.endswith(".mp4") else 0)
    known = {Path(row["path"]).name: row["reason"] for row in rows(folder.parent / "home")["file"]}
    assert (name in known) == remembered

    if content is None:
        assert index(folder, code=0)[name]["status"] == "indexed"


def test_a_named_file_that_may_not_be_read_fails_and_the_others_go_on(folder: Path) -> None:
    closed = lamp_clip(folder / "closed.mp4", seconds=2.0)
    closed.chmod(0)
    done = without_root_s_powers(
        "index", closed, folder / "good.mp4", "--home", folder.parent / "home", "--json"
    )

    assert done.returncode == 1, done.stderr
    states = {Path(file["path"]).name: file["status"] for file in json.loads(done.stdout)["files"]}
    assert states == {"closed.mp4": "failed", "good.mp4": "indexed"}


def test_a_folder_that_may_not_be_listed_fails_and_says_so(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir()
    closed.chmod(0)
    done = without_root_s_powers("index", folder, "--home", folder.parent / "home")
    closed.chmod(0o700)

    assert done.returncode == 1
    assert "can't list this folder (Permission denied); allow reading it or leave it out" in done.stderr


def test_a_home_that_can_not_be_written_is_one_sentence(folder: Path) -> None:
    home = folder.parent / "closed"
    home.mkdir(mode=0o500)
    done = without_root_s_powers("index", folder, "--home", home)

    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("proofreel: ") and done.stderr.count("\n") == 1
    assert "permission denied; make the folder writable or give another --home" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("size", ["120k", "700k"])
def test_a_full_disk_is_one_sentence_and_what_is_committed_stays(folder: Path, size: str) -> None:
    for number in range(6):
        lamp_clip(folder / f"{number}.mp4", seconds=20 + number, lit=[(t, t + 0.3) for t in range(20)])
    home = folder.parent / "home"
    home.mkdir()
    line = " ".join(
        map(str, [*night_process.command("index", folder, "--home", home, "--json"), "--keep-free-gb=0"])
    )
    script = (
        f"mount -t tmpfs -o size={size} full {home} && {line}; code=$?; "
        f"mkdir {folder.parent}/kept; cp {home}/proofreel.db* {folder.parent}/kept; exit $code"
    )
    done = subprocess.run(
        [*mounting(), "sh", "-c", script], cwd=night_process.ROOT, capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("proofreel: ") and "the disk is full; free some space" in last
    assert "Traceback" not in done.stderr
    told = json.loads(done.stdout) if done.stdout else {"totals": {"moments": 0}}
    kept = rows(folder.parent / "kept").get("moment", [])
    assert told["totals"]["moments"] == len(kept) and bool(kept) == (size == "700k")
    if kept:
        assert (told["ending"], told["fault"]) == ("failed", last.removeprefix("proofreel: "))
    again = night_process.run_here("index", folder, "--home", folder.parent / "kept")
    assert again.returncode == 0, again.stderr
    night_process.run_here("index", folder, "--home", folder.parent / "quiet")
    assert content(folder.parent / "kept") == content(folder.parent / "quiet")


def test_two_at_once_on_one_home_the_second_is_told_who_is_first(folder: Path) -> None:
    home = folder.parent / "home"
    with HomeLock(home):
        done = night_process.run_here("index", folder, "--home", home)

    assert done.returncode == 1
    assert done.stderr.startswith(f"proofreel: another proofreel (process {os.getpid()}) is indexing into")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ((), "name a PATH, or put libraries into proofreel.toml"),
        (("--until", "25:00"), "--until takes a time of day as HH:MM"),
        (("--retry", "all"), "--retry takes quarantined"),
        (("-q", " "), "a question must not be empty"),
        (("--library", ""), "--library needs a name"),
        (("",), "a path must not be empty"),
    ],
)
def test_wrong_usage_is_exit_code_2(folder: Path, args: tuple[str, ...], sentence: str) -> None:
    paths = [folder] if args else []
    done = night_process.run_here("index", *paths, *args, "--home", folder.parent / "home")

    assert done.returncode == 2 and sentence in done.stderr, done.stderr
    assert not (folder.parent / "home").exists()


def without_root_s_powers(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run as a user whom permissions stop: root is not one, unless its powers are taken away."""
    line = night_process.command(*args)
    if os.geteuid() == 0:
        line = [*WITHOUT_ROOT_S_POWERS, *line]
    return subprocess.run(line, cwd=night_process.ROOT, capture_output=True, text=True, timeout=120)


def mounting() -> list[str]:
    """A command prefix in whose world a file system can be mounted without anyone else seeing it."""
    return ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-mUr"]
