import pytest

from grounding.evidence import Box, Span
from search.overlays import HELD_S, Trail, overlays_at
from search.results import Evidence
from search.showing import LEAST_CLIP_S, clip_span, evidence_pts

LEFT, RIGHT = Box(0.0, 0.0, 0.2, 0.2), Box(0.4, 0.4, 0.6, 0.6)


def claim(subject: str, time_s: float, *, box: Box = LEFT, confidence: float | None = 0.5) -> Evidence:
    return Evidence(
        subject=subject, time_s=time_s, pts=round(time_s * 100), boxes=(box,), confidence=confidence
    )


def test_a_track_is_interpolated_between_two_sightings_and_nowhere_else() -> None:
    trail = Trail(label="bus", points=((1.0, LEFT), (2.0, RIGHT)))
    assert trail.at(1.0) == LEFT
    assert trail.at(2.0) == RIGHT
    middle = trail.at(1.5)
    assert middle is not None
    assert (middle.x1, middle.y2) == pytest.approx((0.2, 0.4))
    assert trail.at(0.99) is None
    assert trail.at(2.01) is None


def test_a_claim_without_a_track_is_held_and_tells_when_it_was_seen() -> None:
    shown = [overlays_at(t, trails=(), claims=[claim("dog", 3.0)]) for t in (2.9, 3.0, 3.2, 3.0 + HELD_S)]
    assert [[one.label for one in found] for found in shown] == [[], ["dog"], ["dog, seen at 3.000 s"], []]


def test_a_claim_that_its_track_carries_is_not_drawn_twice() -> None:
    trail = Trail(label="dog", points=((3.0, LEFT), (4.0, LEFT)))
    assert len(overlays_at(3.0, trails=[trail], claims=[claim("dog", 3.0)])) == 1
    assert len(overlays_at(3.0, trails=[trail], claims=[claim("dog", 3.0, box=RIGHT)])) == 2


def test_the_frame_with_the_most_different_things_proves_a_moment() -> None:
    claims = [claim("bus", 1.0, confidence=0.9), claim("bus", 2.0), claim("car", 2.0), claim("car", 3.0)]
    assert evidence_pts(claims) == 200
    assert evidence_pts([claim("bus", 1.0, confidence=None), claim("bus", 2.0)]) == 200
    assert evidence_pts([]) is None


@pytest.mark.parametrize(
    ("start_s", "end_s", "times_s", "expected"),
    [
        (2.0, 6.0, [], (2.0, 6.0)),
        (2.0, 6.0, [6.0], (2.0, 6.2)),
        (5.0, 5.0, [], (4.5, 5.5)),
        (0.0, 0.0, [], (0.0, 1.0)),
        (10.0, 10.0, [10.0], (9.0, 10.0)),
    ],
)
def test_a_clip_holds_its_last_claim_and_is_long_enough_to_watch(
    start_s: float, end_s: float, times_s: list[float], expected: tuple[float, float]
) -> None:
    claims = [claim("bus", time_s) for time_s in times_s]
    span = clip_span(Span(start_s, end_s), claims=claims, video=Span(0.0, 10.0))
    assert (span.start_s, span.end_s) == pytest.approx(expected)
    assert span.end_s - span.start_s >= LEAST_CLIP_S


def test_a_clip_of_a_video_shorter_than_a_clip_is_the_video() -> None:
    assert clip_span(Span(0.1, 0.2), claims=[], video=Span(0.0, 0.4)) == Span(0.0, 0.4)
