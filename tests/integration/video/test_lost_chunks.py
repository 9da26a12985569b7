"""AVI stores no times: where chunks are lost, the others keep theirs, or say that they can't be known."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import pytest

from grounding.evidence import Span
from tests.clips import ClipPlan, make_clip, read_number, truncate
from tests.packed import pack_b_frames
from video import open_video
from video.probe import probe

NUM_FRAMES, GOP = 100, 20
LOST = range(43, 47)
NEXT_KEY = 60
REORDERED = 19  # so many pictures before a loss, at most, are left out where they may wait for a lost one
SMALL = {"frames": NUM_FRAMES, "width": 160, "height": 120}
X264 = {"preset": "veryfast", "g": str(GOP), "b_strategy": "0"}


@dataclass(frozen=True, kw_only=True)
class Kind:
    plan: ClipPlan
    edit: Callable[[Path], Path] = lambda path: path
    reordered: bool = False

    def make(self, path: Path) -> Path:
        return self.edit(make_clip(path, self.plan))


B_FRAMES = ClipPlan(**SMALL, codec="mpeg4", options={"g": str(GOP), "bf": "2", "sc_threshold": "1000000000"})
KINDS = {
    "mpeg4": Kind(plan=ClipPlan(**SMALL, codec="mpeg4", options={"g": str(GOP)})),
    "msmpeg4": Kind(plan=ClipPlan(**SMALL, codec="msmpeg4", options={"g": str(GOP)})),
    "mjpeg": Kind(plan=ClipPlan(**SMALL, codec="mjpeg", options={}, pixel_format="yuvj420p")),
    "h264": Kind(plan=ClipPlan(**SMALL, options={**X264, "bf": "0", "sc_threshold": "0"})),
    "b-frames": Kind(plan=B_FRAMES, reordered=True),
    "packed": Kind(plan=B_FRAMES, edit=pack_b_frames, reordered=True),
    "mpeg2": Kind(
        plan=ClipPlan(
            **SMALL,
            codec="mpeg2video",
            options={"g": str(GOP), "bf": "2", "sc_threshold": "1000000000"},
        ),
        reordered=True,
    ),
}


def chunks_of(path: Path) -> list[tuple[int, int]]:
    """Where each chunk of the video begins (its header of 8 bytes), and the size of its data."""
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.video[0])
        return [(p.pos - 8, p.size) for p in packets if p.size and p.pos is not None]


def erase(path: Path, orders: range) -> None:
    """Overwrite chunks with their headers, so that nothing tells how many there were."""
    data = bytearray(path.read_bytes())
    for order in orders:
        begin, size = chunks_of(path)[order]
        data[begin : begin + 8 + size] = b"\xee" * (8 + size)
    path.write_bytes(bytes(data))


def swallow(path: Path, orders: range) -> None:
    """Let the first of these chunks claim to end in the middle of the last one."""
    data = bytearray(path.read_bytes())
    chunks = chunks_of(path)
    (begin, _), (last, size) = chunks[orders[0]], chunks[orders[-1]]
    data[begin + 4 : begin + 8] = struct.pack("<I", last + 8 + size // 2 - begin)
    path.write_bytes(bytes(data))


def drop_index(path: Path) -> None:
    data = path.read_bytes()
    at = data.rindex(b"idx1")
    path.write_bytes(data[:at] + b"JUNK" + data[at + 4 :])


def spoil_index(path: Path, *, entry: int) -> None:
    """Make one entry of the index name no stream, so that all after it count one too few."""
    data = bytearray(path.read_bytes())
    at = data.rindex(b"idx1") + 8 + 16 * entry
    data[at : at + 4] = b"\xee" * 4
    path.write_bytes(bytes(data))


def sound_numbers(path: Path) -> list[int]:
    """The numbers of all frames that may be evidence; each must be on display at the time of its number."""
    with open_video(path) as source:
        start_s = source.info.start_s
        times = [start_s + (n + 0.5) / 30 for n in range(NUM_FRAMES)]
        sound = [frame for frame in source.frames_at(times) if not frame.damaged]
        numbers = [round((frame.time_s - start_s) * 30) for frame in sound]
        assert [read_number(frame.image) for frame in sound] == numbers
        for number in numbers[::-7]:  # each sought on its own
            (frame,) = source.frames_at([times[number]])
            assert (read_number(frame.image), frame.damaged) == (number, False)
        return numbers


def key_numbers(path: Path) -> list[int]:
    info = probe(path)
    return [round((pts * float(info.time_base) - info.start_s) * 30) for pts in info.keyframe_pts]


def damaged_numbers(path: Path) -> set[int]:
    info = probe(path)
    at_s = {n: info.start_s + (n + 0.5) / 30 for n in range(NUM_FRAMES)}
    return {n for n, t in at_s.items() if any(span.start_s <= t < span.end_s for span in info.damaged)}


@pytest.mark.parametrize("lose", [erase, swallow])
@pytest.mark.parametrize("kind", KINDS)
def test_frames_after_chunks_that_an_avi_lost_keep_their_times(
    tmp_path: Path, kind: str, lose: Callable[[Path, range], None]
) -> None:
    path = KINDS[kind].make(tmp_path / "clip.avi")
    next_sound = min(n for n in key_numbers(path) if n > LOST[-1])
    lose(path, LOST)
    sound = sound_numbers(path)
    first_lost = LOST[0] - (REORDERED if KINDS[kind].reordered else 1)
    assert set(sound) >= {*range(first_lost), *range(next_sound, NUM_FRAMES)}
    assert not set(sound) & set(range(LOST[0], next_sound))
    assert damaged_numbers(path) == set(range(NUM_FRAMES)) - set(sound)
    info = probe(path)
    assert (info.num_frames, info.missing_s) == (NUM_FRAMES, 0)
    assert info.end_s - info.start_s == pytest.approx(NUM_FRAMES / 30)


@pytest.mark.parametrize("orders", [range(20, 22), range(58, 62), range(97, 100)], ids=str)
def test_a_lost_key_frame_and_lost_ends_of_an_avi_move_no_other_frame(tmp_path: Path, orders: range) -> None:
    path = KINDS["msmpeg4"].make(tmp_path / "clip.avi")
    erase(path, orders)
    info = probe(path)
    assert info.end_s == pytest.approx(NUM_FRAMES / 30) and info.missing_s == 0
    with open_video(path) as source:
        frames = [f for f in source.frames_at([(n + 0.5) / 30 for n in range(NUM_FRAMES)]) if not f.damaged]
    numbers = [read_number(frame.image) for frame in frames]
    assert numbers == [round(frame.time_s * 30) for frame in frames]
    after = -(-(orders[-1] + 1) // GOP) * GOP
    assert numbers == [*range(orders[0] - 1), *range(after, NUM_FRAMES)]


def test_an_avi_whose_first_chunk_is_lost_gives_no_frame_a_wrong_time(tmp_path: Path) -> None:
    path = KINDS["msmpeg4"].make(tmp_path / "clip.avi")
    erase(path, range(3))  # FFmpeg takes the index to count from the first chunk that it meets
    assert sound_numbers(path) == []


def test_an_avi_with_sound_and_dropped_frames_keeps_its_times_after_a_loss(tmp_path: Path) -> None:
    plan = ClipPlan(**SMALL, codec="mpeg4", options={"g": str(GOP)}, with_audio=True)
    path = make_clip(tmp_path / "clip.avi", plan)
    with open_video(path) as source:
        times = [float(f.time_s) for f in source.frames_in(Span(0, source.info.end_s))]
    assert len(times) == NUM_FRAMES
    erase(path, LOST)
    with open_video(path) as source:
        sound = [f for f in source.frames_at(times) if not f.damaged]
    assert {times.index(f.time_s) for f in sound} == {*range(LOST[0] - 1), *range(NEXT_KEY, NUM_FRAMES)}
    assert all(read_number(f.image) == times.index(f.time_s) for f in sound)


@pytest.mark.parametrize("lose", [erase, swallow])
@pytest.mark.parametrize("kind", KINDS)
def test_without_an_index_nothing_after_a_loss_in_an_avi_is_evidence(
    tmp_path: Path, kind: str, lose: Callable[[Path, range], None]
) -> None:
    path = KINDS[kind].make(tmp_path / "clip.avi")
    lose(path, LOST)
    drop_index(path)
    check_all_lost_after_the_loss(path, reordered=KINDS[kind].reordered)


def test_an_avi_cut_off_in_front_of_its_index_is_not_decoded_from_amid_a_group(tmp_path: Path) -> None:
    path = truncate(KINDS["msmpeg4"].make(tmp_path / "clip.avi"), keep=0.6)
    sound = sound_numbers(path)  # this codec's packets don't say which of them are key frames
    assert len(sound) > NUM_FRAMES // 3
    assert sound == list(range(len(sound)))


def test_times_that_are_counted_are_no_evidence_after_a_loss_even_with_an_index(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.avi", ClipPlan(**SMALL, options={**X264, "bf": "3"}))
    erase(path, LOST)
    check_all_lost_after_the_loss(path, reordered=True)


def test_an_index_that_counts_wrong_leads_no_seek_astray(tmp_path: Path) -> None:
    path = KINDS["mjpeg"].make(tmp_path / "clip.avi")
    spoil_index(path, entry=70)
    assert sound_numbers(path) == list(range(NUM_FRAMES))


def test_an_index_that_lacks_an_entry_gives_no_times(tmp_path: Path) -> None:
    path = KINDS["mpeg4"].make(tmp_path / "clip.avi")
    spoil_index(path, entry=70)
    assert sound_numbers(path) == list(range(NUM_FRAMES)), "the stream is whole"
    erase(path, LOST)
    check_all_lost_after_the_loss(path, reordered=False)


def check_all_lost_after_the_loss(path: Path, *, reordered: bool) -> None:
    sound = sound_numbers(path)
    assert set(sound) >= set(range(LOST[0] - 1 - REORDERED * reordered))
    assert max(sound) < LOST[0]
    assert damaged_numbers(path) == set(range(NUM_FRAMES)) - set(sound)
    info = probe(path)
    assert info.missing_s == 0
    assert info.end_s - info.start_s == pytest.approx(NUM_FRAMES / 30)
