from __future__ import annotations

from engines.spotter.detector import Detection
from engines.spotter.settings import SpotterSettings
from engines.spotter.tracking import Path, Sighting, belief, follow, plausible

SETTINGS = SpotterSettings()


def thing(
    x: float, *, y: float = 0.5, size: float = 0.1, label: str = "person", confidence: float = 0.8
) -> Detection:
    return Detection(label, confidence, (x, y, x + size, y + size))


def followed(samples: list[list[Detection]], *, shots: list[range] | None = None) -> list[Path]:
    everything = shots or [range(len(samples))]
    return follow(samples, looked=[True] * len(samples), shots=everything, settings=SETTINGS)


def path(*confidences: float, looked: bool = True, label: str = "person") -> Path:
    sightings = tuple(
        Sighting(index=k, detection=thing(0.1, confidence=c, label=label), looked=looked or k == 0)
        for k, c in enumerate(confidences)
    )
    return Path(label=label, shot=0, sightings=sightings)


def test_a_walker_who_hardly_overlaps_with_himself_is_one_path() -> None:
    (only,) = followed([[thing(0.1 + 0.08 * k)] for k in range(8)])
    assert [s.index for s in only.sightings] == list(range(8))


def test_two_who_stand_apart_are_two_paths_in_the_same_order_each_time() -> None:
    samples = [[thing(0.1 + 0.02 * k), thing(0.7 - 0.02 * k)] for k in range(6)]
    paths = followed(samples)
    assert [len(p.sightings) for p in paths] == [6, 6]
    assert all(followed(samples) == paths for _ in range(5))


def test_a_path_never_crosses_a_cut() -> None:
    paths = followed([[thing(0.4)] for _ in range(8)], shots=[range(3), range(3, 8)])
    assert [[s.index for s in p.sightings] for p in paths] == [[0, 1, 2], [3, 4, 5, 6, 7]]
    assert [p.shot for p in paths] == [0, 1]


def test_kinds_do_not_mix() -> None:
    paths = followed([[thing(0.4), thing(0.41, label="bicycle", size=0.12)] for _ in range(4)])
    assert sorted((p.label, len(p.sightings)) for p in paths) == [("bicycle", 4), ("person", 4)]


def test_a_car_that_is_called_truck_once_is_one_car() -> None:
    labels = ["car", "truck", "car", "car"]
    (only,) = followed([[thing(0.4, label=label)] for label in labels])
    assert (only.label, len(only.sightings)) == ("car", 4)


def test_a_thing_hidden_for_two_samples_is_the_same_afterwards() -> None:
    samples = [[thing(0.4)], [thing(0.4)], [thing(0.4)], [], [], [thing(0.4)]]
    (only,) = followed(samples)
    assert [s.index for s in only.sightings] == [0, 1, 2, 5]


def test_a_nested_faint_box_of_the_same_kind_is_the_same_thing() -> None:
    inner = Detection("person", 0.5, (0.12, 0.52, 0.18, 0.58))
    assert plausible([thing(0.1), inner], SETTINGS) == [thing(0.1)]


def test_someone_sure_in_front_of_someone_is_kept() -> None:
    inner = Detection("person", 0.75, (0.12, 0.52, 0.18, 0.58))
    assert plausible([thing(0.1), inner], SETTINGS) == [thing(0.1), inner]


def test_a_vase_as_large_as_the_frame_is_not_believed() -> None:
    assert plausible([thing(0.1, y=0.1, size=0.8, label="vase")], SETTINGS) == []
    assert len(plausible([thing(0.1, y=0.1, size=0.8, label="person")], SETTINGS)) == 1


def test_once_sure_or_twice_likely_is_believed_and_less_is_looked_at_again() -> None:
    assert belief(path(0.65), SETTINGS) == "believed"
    assert belief(path(0.45, 0.45), SETTINGS) == "believed"
    assert belief(path(0.45), SETTINGS) == "doubtful"
    assert belief(path(0.35, 0.35, 0.35), SETTINGS) == "dropped"


def test_a_sighting_that_was_carried_over_is_no_second_proof() -> None:
    assert belief(path(0.5, 0.5, 0.5, looked=False), SETTINGS) == "doubtful"


def test_skis_need_more_proof_than_a_person() -> None:
    assert belief(path(0.8, label="skis"), SETTINGS) == "dropped"
    assert belief(path(0.8, 0.7, label="skis"), SETTINGS) == "believed"
