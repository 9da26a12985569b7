"""Four tools' files that say the same are read as the same; what is broken or hostile is told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.annotations import (
    DOG_BOX,
    SIZE,
    man_box,
    write_coco,
    write_cvat,
    write_label_studio,
    write_mot,
)
from training.data.converting.tracks import Annotated, Key, Stretch, between, clipped, runs
from training.data.converting.writing import Tool, read_annotations

WRITERS: dict[Tool, tuple[str, Callable[[Path], Path]]] = {
    "cvat": ("annotations.xml", write_cvat),
    "mot": ("clip", write_mot),
    "coco": ("coco.json", write_coco),
    "label-studio": ("export.json", write_label_studio),
}


def read(tool: Tool, path: Path) -> Annotated:
    (found,) = read_annotations(tool, path)
    return found


@pytest.mark.parametrize("tool", WRITERS)
def test_every_tool_s_file_gives_the_same_boxes_in_the_same_frames(tool: Tool, tmp_path: Path) -> None:
    name, write = WRITERS[tool]
    tracks = {track.label: track for track in read(tool, write(tmp_path / name)).tracks}
    assert set(tracks) == {"man", "dog"}
    for frame in range(40):
        for label in ("man", "dog"):
            is_there = 5 <= frame <= 25 if label == "man" else 10 <= frame <= 19 or frame >= 30
            stretch = tracks[label].stretch_at(frame)
            assert (stretch is not None) == is_there, (label, frame)
            if stretch is not None:
                box = stretch.box_at(frame)
                expected = man_box(frame) if label == "man" else DOG_BOX
                found = (box.x1 * SIZE[0], box.y1 * SIZE[1], box.x2 * SIZE[0], box.y2 * SIZE[1])
                assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("tool", "left_out"),
    [
        ("cvat", {"polyline": 1}),
        ("mot", {"not considered": 1}),
        ("coco", {}),
        ("label-studio", {"choices": 1}),
    ],
)
def test_what_can_not_be_used_is_counted(tool: Tool, left_out: dict[str, int], tmp_path: Path) -> None:
    name, write = WRITERS[tool]
    assert dict(read(tool, write(tmp_path / name)).left_out) == left_out


@pytest.mark.parametrize(("tool", "video"), [("cvat", "clip.mp4"), ("mot", "clip"), ("coco", "clip.mp4")])
def test_a_file_names_its_video_and_the_size_of_its_frames(tool: Tool, video: str, tmp_path: Path) -> None:
    name, write = WRITERS[tool]
    found = read(tool, write(tmp_path / name))
    assert (found.video, found.size) == (video, SIZE)


def test_label_studio_names_its_video_behind_the_address_that_it_is_served_at(tmp_path: Path) -> None:
    assert read("label-studio", write_label_studio(tmp_path / "x.json")).video == "clip.mp4"


def test_label_studio_s_timeline_becomes_events_counted_from_zero(tmp_path: Path) -> None:
    events = read("label-studio", write_label_studio(tmp_path / "x.json")).events
    assert [(e.label, e.first, e.last) for e in events] == [
        ("barking", 10, 14),
        ("barking", 32, 36),
        ("waving", 6, 8),
    ]


def test_interpolation_is_even_and_exact_at_its_ends() -> None:
    a, b = clipped(0.1, 0.2, 0.3, 0.4), clipped(0.5, 0.2, 0.9, 0.8)
    assert a is not None and b is not None
    stretch = Stretch(keys=(Key(frame=10, box=a), Key(frame=20, box=b)), last=30)
    assert stretch.box_at(10) == a and stretch.box_at(20) == b and stretch.box_at(30) == b
    middle = stretch.box_at(15)
    assert (middle.x1, middle.x2, middle.y2) == pytest.approx((0.3, 0.6, 0.6))
    assert between(a, b, 0.0) == a


@pytest.mark.parametrize(
    ("corners", "kept"),
    [
        ((-0.5, 0.2, 0.5, 1.4), (0.0, 0.2, 0.5, 1.0)),
        ((1.1, 0.2, 1.5, 0.4), None),
        ((0.5, 0.2, 0.4, 0.4), None),
        ((float("nan"), 0.2, 0.4, 0.4), None),
        ((0.0, 0.0, float("inf"), 1.0), (0.0, 0.0, 1.0, 1.0)),
    ],
)
def test_a_box_is_cut_at_the_frame_s_border(
    corners: tuple[float, float, float, float], kept: tuple[float, ...] | None
) -> None:
    box = clipped(*corners)
    assert (None if box is None else (box.x1, box.y1, box.x2, box.y2)) == kept


def test_frames_that_were_not_all_annotated_still_make_one_stretch() -> None:
    box = clipped(0, 0, 1, 1)
    assert box is not None
    keys = [Key(frame=frame, box=box) for frame in (0, 5, 10, 20)]
    following = {0: 5, 5: 10, 10: 15, 15: 20}
    assert [(s.first, s.last) for s in runs(keys, following=following)] == [(0, 10), (20, 20)]
    assert [(s.first, s.last) for s in runs(keys)] == [(0, 0), (5, 5), (10, 10), (20, 20)]


def test_coco_without_frame_numbers_reads_them_off_the_file_names(tmp_path: Path) -> None:
    path = write_coco(tmp_path / "coco.json")
    document = json.loads(path.read_text())
    for image in document["images"]:
        image["file_name"] = f"clip/{image.pop('frame_id') + 1:06d}.jpg"
        del image["video_id"]
    path.write_text(json.dumps(document))
    (found,) = read_annotations("coco", path, first_frame=1)
    assert found.video == "clip"
    assert [(s.first, s.last) for t in found.tracks if t.label == "man" for s in t.stretches] == [(5, 25)]


HOSTILE_XML = {
    "a billion laughs": '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><annotations>&b;',
    "a file of the machine": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotations>&x;',
    "a bare DTD": '<!DOCTYPE annotations SYSTEM "http://localhost/a.dtd"><annotations/>',
}


@pytest.mark.parametrize("text", HOSTILE_XML.values(), ids=HOSTILE_XML)
def test_xml_with_a_dtd_is_refused_before_anything_of_it_is_taken(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(ValueError, match="no CVAT XML that can be read"):
        read("cvat", path)


TRACK = '<track id="4" label="x">{}</track>'
BOX = '<box frame="{}" outside="0" xtl="1" ytl="1" xbr="9" ybr="9"/>'
NO_CORNERS = '<box frame="0"/>'
META = (
    "<meta><task><original_size><width>160</width><height>120</height></original_size>"
    "<source>clip.mp4</source></task></meta>"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<annotations>", "no CVAT XML"),
        ("not xml", "no CVAT XML"),
        ("<other/>", "outermost element"),
        (f"<annotations>{TRACK.format(BOX.format(0))}</annotations>", "original_size"),
        (f"<annotations>{META}<image id='0'/></annotations>", "CVAT for images"),
        (
            f"<annotations>{META}{TRACK.format(NO_CORNERS)}</annotations>",
            "track 4: a box of it can't",
        ),
        (f"<annotations>{META}{TRACK.format(BOX.format('x'))}</annotations>", "track 4: a box of it can't"),
        (f"<annotations>{META}{TRACK.format(BOX.format(-4))}</annotations>", "is in frame -4"),
        (f"<annotations>{META.replace('160', 'wide')}</annotations>", "wide"),
        (f"<annotations>{META}{META}</annotations>", "several tasks"),
    ],
)
def test_xml_that_is_no_cvat_video_is_told_with_its_reason(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(ValueError, match=said) as caught:
        read("cvat", path)
    assert "a.xml" in str(caught.value)


def test_a_cvat_track_moves_towards_where_it_goes_out_of_view(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    outside = BOX.format(10).replace('outside="0"', 'outside="1"').replace('xtl="1"', 'xtl="5"')
    path.write_text(f"<annotations>{META}{TRACK.format(BOX.format(0) + outside)}</annotations>")
    (track,) = read("cvat", path).tracks
    (stretch,) = track.stretches
    assert stretch.last == 9
    assert stretch.box_at(5).x1 == pytest.approx(3 / 160)


def test_a_track_that_claims_a_billion_frames_costs_nothing_until_it_meets_its_video(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    far = BOX.format(0) + BOX.format(10**9)
    path.write_text(f"<annotations>{META}{TRACK.format(far)}</annotations>")
    started = time.process_time()
    (track,) = read("cvat", path).tracks
    assert time.process_time() - started < 1.0
    assert track.stretches[0].box_at(10**8).x1 == pytest.approx(1 / 160)


def spoiled(tool: Tool, tmp_path: Path, change: Callable[[Any], Any]) -> Path:
    """The tool's JSON with a change."""
    name, write = WRITERS[tool]
    path = write(tmp_path / name)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    return path


@pytest.mark.parametrize(
    ("tool", "change", "said"),
    [
        ("coco", lambda d: d["annotations"], "valid dictionary"),
        ("coco", lambda d: {**d, "images": [{"id": 1}]}, r"images\.0\.width"),
        ("coco", lambda d: {**d, "annotations": [{"image_id": "x"}]}, r"annotations\.0\.image_id"),
        ("coco", lambda d: {**d, "images": [{**d["images"][0], "frame_id": None}]}, "names no frame"),
        ("label-studio", lambda d: [], "no task with an annotation"),
        ("label-studio", lambda d: [5], "task 0"),
        (
            "label-studio",
            lambda d: [
                {
                    "annotations": [
                        {"result": [{"type": "videorectangle", "value": {"sequence": [{"frame": 0}]}}]}
                    ]
                }
            ],
            r"sequence\.0\.frame",
        ),
        (
            "label-studio",
            lambda d: [
                {
                    "annotations": [
                        {
                            "result": [
                                {
                                    "type": "timelinelabels",
                                    "value": {"timelinelabels": ["a"], "ranges": [{"start": 9, "end": 2}]},
                                }
                            ]
                        }
                    ]
                }
            ],
            "before its start",
        ),
    ],
)
def test_json_of_another_shape_is_told_by_the_field(
    tool: Tool, change: Callable[[Any], Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=said):
        read(tool, spoiled(tool, tmp_path, change))


@pytest.mark.parametrize("tool", ["coco", "label-studio"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"images": [', "broken JSON at line 1"),
        (b"[" * 200_000, "nested too deeply|broken JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"PK\x03\x04rest", "zip archive"),
    ],
)
def test_a_file_that_is_no_json_is_told(tool: Tool, content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        read(tool, path)


@pytest.mark.parametrize("tool", WRITERS)
def test_a_file_far_too_long_is_refused_unread(
    tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, write = WRITERS[tool]
    path = write(tmp_path / name)
    monkeypatch.setattr("training.data.converting.files.MAX_BYTES", 50)
    with pytest.raises(ValueError, match="over the cap of 50"):
        read(tool, path)


@pytest.mark.parametrize("tool", WRITERS)
def test_a_file_that_is_not_there_is_told(tool: Tool, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no file"):
        read(tool, tmp_path / "absent")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1,2,3", "line 2: '1,2,3' is not frame,id"),
        ("one,1,0,0,5,5,1,1,1", "line 2"),
        ("0,1,0,0,5,5,1,1,1", "counted from 1, not 0"),
        ("1e999,1,0,0,5,5,1,1,1", "line 2"),
    ],
)
def test_a_line_of_mot_that_is_none_is_told_by_its_number(line: str, said: str, tmp_path: Path) -> None:
    folder = write_mot(tmp_path / "clip")
    (folder / "gt" / "gt.txt").write_text(f"1,1,0,0,5,5,1,1,1\n{line}\n")
    with pytest.raises(ValueError, match=said):
        read("mot", folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no seqinfo.ini"),
        ("imWidth=5", "can't be read"),
        ("[Sequence]\nimWidth=5\n", "imWidth and imHeight"),
        ("[Sequence]\nimWidth=5\nimHeight=high\n", "can't be read"),
    ],
)
def test_mot_without_the_size_of_its_frames_is_told(text: str | None, said: str, tmp_path: Path) -> None:
    folder = write_mot(tmp_path / "clip")
    (folder / "seqinfo.ini").unlink()
    if text is not None:
        (folder / "seqinfo.ini").write_text(text)
    with pytest.raises(ValueError, match=said):
        read("mot", folder)


def test_lines_of_mot15_without_a_class_are_pedestrians(tmp_path: Path) -> None:
    folder = write_mot(tmp_path / "clip")
    (folder / "gt" / "labels.txt").unlink()
    (folder / "gt" / "gt.txt").write_text("1,1,10,10,50,50,1,-1,-1,-1\n2,1,10,10,50,50,1,-1,-1,-1\n")
    (track,) = read("mot", folder).tracks
    assert (track.label, track.stretches[0].last) == ("pedestrian", 1)


def test_mot_without_names_of_its_own_has_those_of_the_challenge(tmp_path: Path) -> None:
    folder = write_mot(tmp_path / "clip")
    (folder / "gt" / "labels.txt").unlink()
    found = read("mot", folder)
    assert {track.label for track in found.tracks} == {"pedestrian", "person on vehicle"}
