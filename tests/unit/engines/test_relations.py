import pytest

from engines.phrases import read
from engines.spotter.relations import RELATIONS, hits, is_at, riding, stretches
from grounding import Box, Span
from tests.observed import (
    BICYCLE,
    LEFT_CAR,
    MIDDLE_CAR,
    RIDER,
    RIGHT_BUS,
    STANDING,
    START_S,
    box,
    observed,
    track,
)


def spans(observations, text: str) -> list[tuple[float, float]]:  # type: ignore[no-untyped-def]
    """When what `text` says is seen, in seconds of the window."""
    reading = read(text)
    found = hits(observations, reading.things, links=reading.links, any_of=reading.alternatives)
    return [(s.start_s - START_S, s.end_s - START_S) for s, _ in stretches(observations, found)]


@pytest.mark.parametrize(
    ("person", "vehicle", "rides"),
    [
        (RIDER, BICYCLE, True),
        (STANDING, BICYCLE, False),
        (box(0.40, 0.45, 0.50, 0.90), BICYCLE, False),  # stands in front of it, feet below the wheels
        (box(0.40, 0.10, 0.50, 0.40), BICYCLE, False),  # behind it, without touching
        (box(0.44, 0.40, 0.46, 0.46), BICYCLE, False),  # far too small
        (BICYCLE, RIDER, False),
    ],
)
def test_a_rider_is_above_what_is_ridden_and_overlaps_it(person: Box, vehicle: Box, rides: bool) -> None:
    assert riding(person, vehicle) is rides


@pytest.mark.parametrize(
    ("relation", "first", "second"),
    [
        ("near", LEFT_CAR, MIDDLE_CAR.__class__(0.3, 0.6, 0.5, 0.8)),
        ("in", box(0.45, 0.35, 0.5, 0.4), box(0.4, 0.3, 0.8, 0.6)),
        ("on", box(0.45, 0.3, 0.5, 0.45), box(0.4, 0.42, 0.8, 0.6)),
        ("in front of", box(0.4, 0.5, 0.6, 0.9), box(0.5, 0.3, 0.9, 0.8)),
        ("behind", box(0.5, 0.3, 0.9, 0.8), box(0.4, 0.5, 0.6, 0.9)),
        ("left of", LEFT_CAR, MIDDLE_CAR),
        ("right of", MIDDLE_CAR, LEFT_CAR),
        ("above", box(0.4, 0.1, 0.5, 0.2), box(0.4, 0.4, 0.6, 0.8)),
        ("below", box(0.4, 0.4, 0.6, 0.8), box(0.4, 0.1, 0.5, 0.2)),
    ],
)
def test_a_relation_holds_one_way(relation: str, first: Box, second: Box) -> None:
    assert RELATIONS[relation](first, second)
    if relation != "near":
        assert not RELATIONS[relation](second, first)


@pytest.mark.parametrize("relation", ["near", "in", "on", "in front of", "riding"])
def test_things_at_opposite_ends_of_the_picture_are_in_no_close_relation(relation: str) -> None:
    assert not RELATIONS[relation](box(0.0, 0.0, 0.1, 0.1), box(0.9, 0.9, 1.0, 1.0))


def test_riding_needs_both_at_the_same_time_and_place() -> None:
    rider = track("person", RIDER, samples=range(4, 15))
    assert spans(
        observed(rider, track("bicycle", BICYCLE, samples=range(6, 11))), "someone riding a bike"
    ) == [(3.0, 5.0)]
    assert (
        spans(observed(rider, track("bicycle", BICYCLE, samples=range(16, 19))), "someone riding a bike")
        == []
    )
    elsewhere = track("bicycle", box(0.8, 0.4, 0.9, 0.6), samples=range(4, 15))
    assert spans(observed(rider, elsewhere), "someone riding a bike") == []


def test_a_cyclist_is_found_by_the_pair() -> None:
    pair = (track("person", RIDER, samples=range(4)), track("bicycle", BICYCLE, samples=range(4)))
    assert spans(observed(*pair), "a cyclist") == [(0.0, 1.5)]
    assert spans(observed(pair[0]), "a cyclist") == []


def test_a_broad_word_is_answered_by_each_of_its_kinds() -> None:
    seen = observed(track("car", LEFT_CAR, samples=range(2)), track("bus", RIGHT_BUS, samples=range(10, 12)))
    assert spans(seen, "a vehicle") == [(0.0, 0.5), (5.0, 5.5)]
    assert spans(seen, "a car or a bus") == [(0.0, 0.5), (5.0, 5.5)]
    assert spans(seen, "a car and a bus") == []


def test_a_number_must_be_there_at_once() -> None:
    one_after_another = observed(
        track("car", LEFT_CAR, samples=range(3)), track("car", MIDDLE_CAR, samples=range(5, 8))
    )
    assert spans(one_after_another, "two cars") == []
    at_once = observed(
        track("car", LEFT_CAR, samples=range(8)), track("car", MIDDLE_CAR, samples=range(5, 8))
    )
    assert spans(at_once, "two cars") == [(2.5, 3.5)]


def test_traffic_is_three_vehicles_at_once() -> None:
    cars = [track("car", box(x, 0.6, x + 0.1, 0.8), samples=range(6)) for x in (0.1, 0.3)]
    bus = track("bus", RIGHT_BUS, samples=range(2, 6))
    assert spans(observed(*cars, bus), "a bus in traffic") == [(1.0, 2.5)]
    assert spans(observed(cars[0], bus), "a bus in traffic") == []
    assert spans(observed(*cars), "traffic") == []


def test_one_missed_frame_is_bridged_and_two_are_not() -> None:
    assert spans(observed(track("dog", STANDING, samples=[0, 1, 3, 4])), "a dog") == [(0.0, 2.0)]
    assert spans(observed(track("dog", STANDING, samples=[0, 1, 4, 5])), "a dog") == [(0.0, 0.5), (2.0, 2.5)]


def test_a_stretch_reaches_to_the_exact_border_of_its_track() -> None:
    seen = track("bus", RIGHT_BUS, samples=[3, 4])
    exact = seen.__class__(label="bus", span=Span(START_S + 1.24, START_S + 2.36), points=seen.points)
    (found,) = spans(observed(exact), "a bus")
    assert found == pytest.approx((1.24, 2.36))


def test_the_side_of_the_picture_is_that_of_the_middle_of_the_box() -> None:
    assert is_at(LEFT_CAR, "left") and not is_at(LEFT_CAR, "right")
    assert is_at(LEFT_CAR, "bottom") and not is_at(LEFT_CAR, "top")
    assert is_at(box(0.4, 0.4, 0.6, 0.6), "centre") and not is_at(LEFT_CAR, "centre")
