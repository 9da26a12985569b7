"""A file is left alone while it changes, by our own clock alone."""

import os
from pathlib import Path

from indexer.settling import Settling


def test_a_file_is_still_once_it_has_not_changed_for_so_long(tmp_path: Path) -> None:
    now = [100.0]
    settling = Settling(still_s=10, clock=lambda: now[0])
    file = tmp_path / "a.mp4"
    file.write_bytes(b"1")
    settling.see(file)
    now[0] = 109
    assert settling.still() == {}
    file.write_bytes(b"12")
    now[0] = 111
    assert settling.still() == {}, "it grew: the time begins anew"
    now[0] = 121
    assert [(path, stamp.size_bytes) for path, stamp in settling.still().items()] == [(file, 2)]
    settling.forget([file])
    assert settling.still() == {} and len(settling) == 0


def test_a_time_of_modification_that_jumps_is_a_change_whatever_clock_it_is_of(tmp_path: Path) -> None:
    now = [0.0]
    settling = Settling(still_s=5, clock=lambda: now[0])
    file = tmp_path / "a.mp4"
    file.touch()
    os.utime(file, (4e9, 4e9))  # in 2096, as a recorder with a wrong clock writes it
    settling.see(file)
    now[0] = 5
    assert list(settling.still()) == [file]
    os.utime(file, (1e9, 1e9))  # back, as the copy's own time is set at its end
    assert settling.still() == {}
    now[0] = 10
    assert list(settling.still()) == [file]


def test_a_file_that_goes_before_it_is_still_is_forgotten(tmp_path: Path) -> None:
    settling = Settling(still_s=0.0)
    file = tmp_path / "a.mp4.part"
    file.touch()
    settling.see(file)
    file.rename(tmp_path / "a.mp4")
    assert settling.still() == {} and len(settling) == 0
