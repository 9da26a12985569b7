from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from engines.contract import Track, TrackPoint
from grounding.evidence import Box, Claim, Span
from grounding.geometry import iou
from indexer.merging import Evidence
from indexer.proof import SAME_THING_IOU, Marks, _between, box_at, check_overlay
from video.drawing import Mark

LEFT, MIDDLE, RIGHT = Box(0.0, 0.4, 0.2, 0.6), Box(0.4, 0.4, 0.6, 0.6), Box(0.8, 0.4, 1.0, 0.6)


def track(label: str, *points: tuple[float, Box], until_s: float | None = None) -> Track:
    made = tuple(TrackPoint(time_s=t, pts=int(t * 1000), box=box, confidence=0.9) for t, box in points)
    return Track(label=label, span=Span(points[0][0], until_s or points[-1][0]), points=made)


def claimed(subject: str, time_s: float, box: Box) -> Evidence:
    claim = Claim(subject=subject, boxes=(box,), time_s=time_s)
    return Evidence(claim=claim, time_s=time_s, pts=int(time_s * 1000), confidence=0.5)


def test_between_two_points_a_box_is_on_the_line_and_at_the_ends_it_stays() -> None:
    moving = track("bus", (1.0, LEFT), (2.0, RIGHT), until_s=2.4)

    middle = box_at(moving, 1.5)
    assert middle is not None
    assert (middle.x1, middle.x2, middle.y1) == pytest.approx((0.4, 0.6, 0.4))
    assert box_at(moving, 2.3) == RIGHT
    assert box_at(moving, 0.9) is None and box_at(moving, 2.5) is None


def test_a_claim_s_own_track_carries_its_box_along_and_other_tracks_are_not_drawn() -> None:
    bus = track("bus", (1.0, LEFT), (2.0, RIGHT))
    other_bus = track("bus", (1.0, RIGHT), (2.0, RIGHT))
    car = track("car", (1.0, LEFT), (2.0, LEFT))
    marks = Marks([claimed("bus", 1.0, LEFT)], tracks=[bus, other_bus, car], reach_s=0.25)

    (mark,) = marks.at(1.5)
    assert (mark.label, mark.confidence) == ("bus", 0.5) and mark.box.x1 == pytest.approx(0.4)
    assert marks.at(3.0) == []


def test_two_claims_of_one_thing_are_drawn_once() -> None:
    bus = track("bus", (1.0, LEFT), (2.0, RIGHT))
    marks = Marks([claimed("bus", 1.0, LEFT), claimed("bus", 2.0, RIGHT)], tracks=[bus], reach_s=0.25)

    assert len(marks.at(1.5)) == 1


def test_a_claim_without_a_track_stands_only_around_its_own_frame() -> None:
    marks = Marks([claimed("bus", 1.0, MIDDLE)], tracks=[], reach_s=0.25)

    assert [m.box for m in marks.at(1.2)] == [MIDDLE]
    assert marks.at(1.3) == []


def crowd(*, num_windows: int, seed: int = 3) -> tuple[list[Evidence], list[Track]]:
    """Windows of 2 s with three things that move and overlap, and claims of them, some of none."""
    chance = random.Random(seed)

    def somewhere() -> Box:
        x, y = chance.randrange(6) / 10, chance.randrange(6) / 10
        return Box(x, y, x + 0.4, y + 0.4)

    evidence, tracks = [], []
    for start_s in range(0, 2 * num_windows, 2):
        for number in range(3):
            times = sorted(start_s + chance.randrange(9) / 4 for _ in range(4))
            tracks.append(
                track(f"thing {number}", *((t, somewhere()) for t in times), until_s=times[-1] + 0.1)
            )
            evidence.append(claimed("thing", start_s + chance.randrange(9) / 4, somewhere()))
        evidence.append(claimed("bus", times[0], tracks[-1].points[0].box))
    return evidence, tracks


def plain_box_at(track: Track, time_s: float) -> Box | None:
    if not track.span.start_s <= time_s <= track.span.end_s:
        return None
    before = [p for p in track.points if p.time_s <= time_s]
    after = [p for p in track.points if p.time_s > time_s]
    if not before or not after:
        return (before[-1] if before else after[0]).box
    return _between(before[-1], after[0], time_s)


def plain_marks(evidence: list[Evidence], tracks: list[Track], time_s: float) -> list[Mark]:
    """All claims compared with all tracks, as the rule is written down; 0.25 s around a claim alone."""
    followed: dict[int, tuple[Track, Evidence]] = {}
    marks = []
    for item in evidence:
        (box,) = item.claim.boxes
        fits = [(iou(box, b), t) for t in tracks if (b := plain_box_at(t, item.time_s)) is not None]
        overlap, best = max(fits, key=lambda fit: fit[0], default=(0.0, None))
        if best is not None and overlap >= SAME_THING_IOU:
            followed[id(best)] = (best, item)
        elif abs(item.time_s - time_s) <= 0.25:
            marks.append(Mark(box=box, label=item.claim.subject, confidence=item.confidence))
    there = [(plain_box_at(t, time_s), t, item) for t, item in followed.values()]
    return [
        *(Mark(box=b, label=t.label, confidence=item.confidence) for b, t, item in there if b is not None),
        *marks,
    ]


@pytest.mark.parametrize("seed", range(20))
def test_the_marks_are_those_of_every_claim_compared_with_every_track(seed: int) -> None:
    evidence, tracks = crowd(num_windows=6, seed=seed)
    marks = Marks(evidence, tracks=tracks, reach_s=0.25)

    for quarter in range(-2, 54):
        for time_s in (quarter / 4, quarter / 4 + 0.1):
            assert marks.at(time_s) == plain_marks(evidence, tracks, time_s)


def test_a_claim_is_compared_only_with_what_was_followed_around_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evidence, tracks = crowd(num_windows=500)
    looked = Counter[str]()

    def counted(track: Track, time_s: float) -> Box | None:
        looked["tracks"] += 1
        return box_at(track, time_s)

    monkeypatch.setattr("indexer.proof.box_at", counted)
    marks = Marks(evidence, tracks=tracks, reach_s=0.25)
    for second in range(1000):
        marks.at(second + 0.1)

    assert len(evidence) + 1000 < looked["tracks"] < 6 * (len(evidence) + 1000)


def test_only_a_png_or_an_mp4_in_an_existing_folder_can_be_drawn_into(tmp_path: Path) -> None:
    check_overlay(tmp_path / "proof.PNG", video=tmp_path / "a.mp4")
    with pytest.raises(ValueError, match=r"ends in \.png or \.mp4, not 'proof\.gif'"):
        check_overlay(tmp_path / "proof.gif", video=tmp_path / "a.mp4")
    with pytest.raises(ValueError, match="no such folder"):
        check_overlay(tmp_path / "nowhere" / "proof.png", video=tmp_path / "a.mp4")


@pytest.mark.parametrize("link", ["same", "hard", "symbolic"])
def test_the_video_itself_is_never_drawn_into_under_whatever_name(tmp_path: Path, link: str) -> None:
    video, out = tmp_path / "a.mp4", tmp_path / "b.mp4"
    video.write_bytes(b"film")
    if link == "hard":
        os.link(video, out)
    elif link == "symbolic":
        out.symlink_to(video)
    else:
        out = video
    with pytest.raises(ValueError, match="is the video itself; name another file"):
        check_overlay(out, video=video)
    assert video.read_bytes() == b"film"
