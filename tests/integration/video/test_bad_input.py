"""Whatever is put in gives facts, or one clear sentence of the right kind."""

from __future__ import annotations

import io
import os
import resource
import struct
from datetime import UTC, date, datetime
from pathlib import Path

import av
import numpy as np
import pytest

from grounding.errors import MediaError, NoVideoStream, TimedOut, Unreadable
from tests.clips import (
    ClipPlan,
    Picture,
    claim_duration,
    coded_picture,
    find_box,
    make_audio,
    make_clip,
    read_number,
    set_display_matrix,
)
from video import open_video, sampling
from video.packets import packet_index
from video.probe import probe

SMALL = ClipPlan(frames=12, width=96, height=72)


def message_of(path: Path | str, kind: type[MediaError]) -> str:
    with pytest.raises(kind) as caught:
        probe(path)
    message = str(caught.value)
    assert "\n" not in message and message.isprintable(), "one line that can be printed anywhere"
    return message


def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "no such file" in message_of(tmp_path / "none.mp4", Unreadable)
    assert "directory" in message_of(tmp_path, Unreadable)
    assert "not a regular file" in message_of(tmp_path / "pipe.mp4", Unreadable)
    assert "not a regular file" in message_of("/dev/zero", Unreadable)


def test_files_that_are_no_video(tmp_path: Path) -> None:
    for name, content in {
        "text.mp4": b"this is only text\n" * 100,
        "playlist.mp4": b"ffconcat version 1.0\nfile other.mp4\n",
        "list.mp4": b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "noise.mkv": np.random.default_rng(0).bytes(50_000),
        "one-byte.avi": b"\0",
    }.items():
        (tmp_path / name).write_bytes(content)
        assert "known format" in message_of(tmp_path / name, Unreadable), name
    (tmp_path / "empty.mp4").touch()
    assert "0 bytes" in message_of(tmp_path / "empty.mp4", Unreadable)


def test_a_playlist_reads_no_other_file(tmp_path: Path) -> None:
    make_clip(tmp_path / "other.mp4", SMALL)
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile other.mp4\n")
    message_of(tmp_path / "list.mp4", Unreadable)


def test_a_recording_without_its_index(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", SMALL)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])
    assert "moov" in message_of(path, Unreadable)


def test_sound_and_covers_are_no_video(tmp_path: Path) -> None:
    assert "only audio" in message_of(make_audio(tmp_path / "sound.m4a"), NoVideoStream)
    assert "only audio" in message_of(make_audio(tmp_path / "sound.mp4"), NoVideoStream)
    assert "cover" in message_of(with_cover(tmp_path / "song.mp3"), NoVideoStream)


def with_cover(path: Path) -> Path:
    """An MP3 with an ID3 tag that holds a PNG picture."""
    png = io.BytesIO()
    frame = av.VideoFrame.from_ndarray(coded_picture(1, width=64, height=64), format="rgb24")
    with av.open(png, "w", format="image2pipe") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "rgb24"
        container.mux([*stream.encode(frame), *stream.encode(None)])
    body = b"\x00image/png\x00\x03\x00" + png.getvalue()
    content = b"APIC" + struct.pack(">IH", len(body), 0) + body
    sizes = [len(content) >> shift & 127 for shift in (21, 14, 7, 0)]
    silence = (b"\xff\xfb\x90\x00" + bytes(413)) * 40
    path.write_bytes(b"ID3\x03\x00\x00" + bytes(sizes) + content + silence)
    return path


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", SMALL)
    path.chmod(0)
    user = os.geteuid()
    os.seteuid(user or 65534)  # root may read everything, so it steps down for a moment
    try:
        assert "no permission" in message_of(path, Unreadable)
    finally:
        os.seteuid(user)


@pytest.mark.parametrize(
    "name",
    [b"two\nlines.mp4", b"latin-\xe9\xff.mp4", "日本 🚲.mp4".encode(), b"-i.mp4", b"a:b|c?.mp4", b"%d.mp4"],
)
def test_any_file_name_works(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    make_clip(tmp_path / "plain.mp4", SMALL).rename(path)
    with open_video(path) as source:
        (frame,) = source.frames_at([0.1])
    assert read_number(frame.image) == 3
    path.write_bytes(b"spoilt")
    message_of(path, Unreadable)


def test_one_pixel_is_a_video(tmp_path: Path) -> None:
    plan = ClipPlan(frames=5, width=1, height=1, codec="ffv1", options={}, pixel_format="yuv444p")
    grey = ClipPlan(**{**plan.__dict__, "picture": lambda n: np.full((1, 1, 3), 50 * n, np.uint8)})
    with open_video(make_clip(tmp_path / "dot.mkv", grey)) as source:
        window = sampling.windows(source.info, window_s=1)[0]
        clip = source.clip(window, times_s=[0.07], max_side=640, dense_side=300)
    assert clip.images.shape == (1, 1, 1, 3) and abs(int(clip.images[0, 0, 0, 0]) - 100) < 4
    assert clip.dense is not None and clip.dense.images.shape == (5, 300, 300, 3)


def test_an_8k_frame_is_read_and_a_larger_one_refused_by_its_size(tmp_path: Path) -> None:
    options = {"preset": "ultrafast"}
    plan = ClipPlan(frames=2, width=7680, height=4320, options=options, picture=_flat_8k)
    with open_video(make_clip(tmp_path / "8k.mp4", plan)) as source:
        (frame,) = source.frames_at([0.04], max_side=640)
    assert frame.image.shape == (360, 640, 3) and abs(int(frame.image.mean()) - 120) < 4
    path = make_clip(tmp_path / "huge.gif", frames=2, codec="gif", pixel_format="rgb8", options={})
    data = bytearray(path.read_bytes())
    data[6:10] = struct.pack("<HH", 16_000, 10_000)
    path.write_bytes(bytes(data))
    assert "16000x10000" in message_of(path, Unreadable)


def _flat_8k(number: int) -> Picture:
    return np.full((4320, 7680, 3), 60 * (number + 1), np.uint8)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_header_that_claims_ten_hours_is_not_believed(tmp_path: Path, suffix: str) -> None:
    path = make_clip(tmp_path / f"clip{suffix}", frames=3, width=96, height=72)
    claim_duration(path, seconds=36_000)
    info = probe(path)
    assert info.num_frames == 3 and info.duration_s == pytest.approx(0.1, abs=0.001)
    assert info.damaged == () and len(sampling.windows(info, window_s=10)) == 1
    if suffix == ".mkv":  # of an MP4 FFmpeg gives the sum of the frames, whatever the header says
        assert info.duration_s_header == 36_000


def make_sparse(path: Path, *, seconds: float) -> Path:
    """Three frames, and a fourth that is shown so much later."""
    options = {"preset": "veryfast", "bf": "0"}
    return make_clip(path, width=96, height=72, pts=[0, 1, 2, round(seconds * 30)], options=options)


def test_a_frame_ten_years_after_the_others_is_not_believed(tmp_path: Path) -> None:
    message = message_of(make_sparse(tmp_path / "clip.mkv", seconds=3e8), Unreadable)
    assert "clip.mkv at 0.067 s: 4 frames can't last the 3,472 days" in message and "convert" in message


def test_a_camera_that_saw_nothing_for_six_days_is_read(tmp_path: Path) -> None:
    with open_video(make_sparse(tmp_path / "clip.mkv", seconds=6 * 86_400)) as source:
        assert source.info.duration_s == pytest.approx(6 * 86_400, abs=0.1)
        numbers = [read_number(f.image) for f in source.frames_at([0.0, 1000.0, 6 * 86_400.0])]
    assert numbers == [0, 2, 3]


def test_a_header_with_no_frame_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    data = make_clip(path, SMALL).read_bytes()
    path.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75")])  # up to the first cluster
    message_of(path, Unreadable)


def test_undecodable_frames(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", SMALL)
    data = bytearray(path.read_bytes())
    start, end = find_box(bytes(data), b"mdat")
    data[start:end] = bytes(end - start)
    path.write_bytes(bytes(data))
    assert "decodable" in message_of(path, Unreadable)


def test_demuxing_has_a_time_limit(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", SMALL)
    with pytest.raises(TimedOut, match="over 0 s"):
        packet_index(path, timeout_s=0)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mp4", frames=5, width=96, height=72)
    assert probe(path).num_frames == 5
    make_clip(path, frames=7, width=96, height=72)
    assert probe(path).num_frames == 7


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2024-05-06T07:08:09.000000Z", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2024-05-06T07:08:09", datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("1904-01-01T00:00:00.000000Z", None),
        ("1970-01-01T00:00:00.000000Z", None),
        ("last tuesday", None),
        (None, None),
    ],
)
def test_the_recording_date_is_the_files_own_or_none(tmp_path: Path, written, expected) -> None:
    metadata = {} if written is None else {"creation_time": written}
    plan = ClipPlan(frames=3, width=96, height=72, metadata=metadata)
    assert probe(make_clip(tmp_path / "clip.mp4", plan)).recorded_at == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2024-05-06T07:08:09+02:00", datetime(2024, 5, 6, 5, 8, 9, tzinfo=UTC)),
        ("2024-05-06", date(2024, 5, 6)),
        ("2024-05-06T00:00:00", datetime(2024, 5, 6, tzinfo=UTC)),
        ("1970-01-01", None),
        ("2024", None),
        ("0001-01-01T00:00:00+02:00", None),
        ("1969-12-31T23:59:59", None),
        ("1970-01-01T00:00:00-05:00", None),
        ("2101-01-01T00:00:00", None),
        ("9999-12-31T23:59:59.5", None),
        ("9999-12-31T23:59:59-02:00", None),
    ],
)
def test_a_recording_date_that_no_camera_can_have_is_none(tmp_path: Path, written, expected) -> None:
    plan = ClipPlan(frames=3, width=96, height=72, metadata={"DATE_RECORDED": written})
    found = probe(make_clip(tmp_path / "clip.mkv", plan)).recorded_at
    assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize(
    ("matrix", "undo"),
    [
        ([-1, 0, 0, 0, 1, 0, 96, 0, 1], lambda image: image[:, ::-1]),
        ([1, 0, 0, 0, -1, 0, 0, 72, 1], lambda image: image[::-1]),
        ([0, 1, 0, 1, 0, 0, 0, 0, 1], lambda image: image.transpose(1, 0, 2)),
        ([0.9995, 0.0316, 0, -0.0316, 0.9995, 0, 0, 0, 1], lambda image: image),
    ],
    ids=["mirrored", "upside down", "transposed", "nearly upright"],
)
def test_a_mirroring_display_matrix_is_applied(tmp_path: Path, matrix, undo) -> None:
    path = set_display_matrix(make_clip(tmp_path / "clip.mp4", SMALL), matrix)
    with open_video(path) as source:
        (frame,) = source.frames_at([5 / 30])
    assert read_number(undo(frame.image)) == 5


def test_reading_holds_no_more_memory_and_no_more_files_as_it_goes_on(tmp_path: Path) -> None:
    import psutil

    path = make_clip(tmp_path / "long.mp4", frames=1500, width=96, height=72, options={"g": "60"})
    me = psutil.Process()
    levels: list[int] = []
    with open_video(path) as source:
        for window in sampling.windows(source.info, window_s=5):
            times = sampling.grid(window, anchor_s=0, rate_hz=2, max_frames=60)
            clip = source.clip(window, times_s=times, max_side=320, dense_side=150)
            assert clip.dense is not None and len(clip.dense.images) == 150
            levels.append(me.memory_info().rss)
            files = me.num_fds()
    assert max(levels[3:]) - levels[2] < 40e6, "150 dense frames are 10 MB; all 1500 would be 100 MB"
    assert me.num_fds() < files
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4e6
