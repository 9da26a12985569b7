"""The spotter's eyes: things followed through the shots of a clip, and the text that stood on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from time import perf_counter

from engines.contract import ScreenText, Track, TrackPoint
from engines.spotter import borders, doubts, reading, tracking
from engines.spotter.detector import Detection, Detector
from engines.spotter.frames import Seen, arrange, picture_runs, sample_ranges, shot_spans, sound_part
from engines.spotter.motion import MotionGate
from engines.spotter.observations import Observations
from engines.spotter.settings import SpotterSettings
from engines.spotter.shots import cuts
from engines.spotter.text_models import TextModels
from grounding.evidence import Box, Span
from video.frames import Clip

__all__ = ["Perception", "SpotterSettings"]


class Perception:
    """Looks at one clip at a time; the same clip gives the same observations, whatever was seen before.

    `stage_seconds` adds up where the time went: "shots", "detect", "track", "second look", "borders", "read".
    The models are loaded at the first clip that needs them; `load()` does it at once. Raises EngineError when
    weights are missing or altered. A `detector` and `text_models` that are given are used as they are.
    Several threads may look at clips of their own: the networks take turns, the rest runs beside them.
    """

    def __init__(
        self,
        settings: SpotterSettings | None = None,
        *,
        num_threads: int | None = None,
        cache_dir: Path | None = None,
        detector: Detector | None = None,
        text_models: TextModels | None = None,
    ) -> None:
        self.settings = settings or SpotterSettings()
        self.stage_seconds: dict[str, float] = {}
        self._loading = Lock()
        self._num_threads = num_threads
        self._cache_dir = cache_dir
        self._detector = detector
        self._text_models = text_models

    def load(self) -> None:
        """Load both models now, so that a missing one is known before any video is opened."""
        self.detector()
        if self.settings.read:
            self.text_models()

    def detector(self) -> Detector:
        """The detector, loaded at the first call."""
        with self._loading:
            if self._detector is None:
                self._detector = Detector(
                    floor=self.settings.floor,
                    precision=self.settings.precision,
                    num_threads=self._num_threads,
                    cache_dir=self._cache_dir,
                )
            return self._detector

    def text_models(self) -> TextModels:
        """The reading models, loaded at the first call."""
        with self._loading:
            if self._text_models is None:
                self._text_models = TextModels(
                    precision=self.settings.precision,
                    num_threads=self._num_threads,
                    cache_dir=self._cache_dir,
                )
            return self._text_models

    def observe(self, clip: Clip) -> Observations:
        """What there is to see in the clip. A clip without a sample has one shot, and nothing in it.

        Nothing is followed through a damaged stretch, and nothing is said of one.
        """
        clip = sound_part(clip)
        if not len(clip.images):
            return _observations(clip, shots=(clip.window,), tracks=(), texts=(), read=())
        clock = _Clock(self.stage_seconds)
        seen = arrange(clip)
        found_cuts = [
            run.start + k
            for run in picture_runs(seen)
            for k in cuts(
                seen.pictures[run.start : run.stop], seen.times_s[run.start : run.stop], self.settings
            )
        ]
        shots, ranges = shot_spans(seen, found_cuts), sample_ranges(seen, found_cuts)
        clock.stop("shots")
        looked, samples = self._look(seen, ranges)
        clock.stop("detect")
        paths = tracking.follow(samples, looked=looked, shots=ranges, settings=self.settings)
        clock.stop("track")
        paths = self._believed(paths, seen, shots)
        clock.stop("second look")
        spans = borders.spans(paths, seen=seen, shots=shots, detector=self.detector(), settings=self.settings)
        clock.stop("borders")
        readings = self._read(seen, ranges, samples)
        texts = reading.screen_texts(seen, readings, shots=shots, settings=self.settings)
        clock.stop("read")
        tracks = [_track(path, span, clip) for path, span in zip(paths, spans, strict=True)]
        return _observations(
            clip,
            shots=shots,
            tracks=sorted(tracks, key=lambda t: (t.span.start_s, t.label)),
            texts=texts,
            read=[r.index for r in readings],
        )

    def _look(self, seen: Seen, shots: Sequence[range]) -> tuple[list[bool], list[list[Detection]]]:
        """Detections a sample, and whether the detector saw it or an equal picture just before."""
        gate = MotionGate(noise=self.settings.noise)
        first = {shot.start for shot in shots}
        looked = [gate.must_look(s) or (i in first) for i, s in enumerate(seen.signatures)]
        wanted = [seen.squeezed[i] for i, look in enumerate(looked) if look]
        fresh = iter(self.detector().detect(wanted))
        samples: list[list[Detection]] = []
        for look in looked:
            samples.append(tracking.plausible(next(fresh), self.settings) if look else samples[-1])
        return looked, samples

    def _believed(
        self, paths: Sequence[tracking.Path], seen: Seen, shots: Sequence[Span]
    ) -> list[tracking.Path]:
        """The paths that the samples prove, and those that hold at a second look."""
        sure = [p for p in paths if tracking.belief(p, self.settings) == "believed"]
        doubtful = [p for p in paths if tracking.belief(p, self.settings) == "doubtful"]
        second = doubts.confirmed(
            doubtful, seen=seen, shots=shots, detector=self.detector(), settings=self.settings
        )
        return sorted([*sure, *second], key=tracking.path_order)

    def _read(
        self, seen: Seen, shots: Sequence[range], samples: Sequence[Sequence[Detection]]
    ) -> list[reading.Reading]:
        if not self.settings.read:
            return []
        return reading.read_clip(
            seen, shots=shots, samples=samples, models=self.text_models(), settings=self.settings
        )


class _Clock:
    """Adds the time since the last stop to a stage."""

    def __init__(self, stages: dict[str, float]) -> None:
        self._stages = stages
        self._last = perf_counter()

    def stop(self, stage: str) -> None:
        now = perf_counter()
        self._stages[stage] = self._stages.get(stage, 0.0) + now - self._last
        self._last = now


def _track(path: tracking.Path, span: Span, clip: Clip) -> Track:
    points = tuple(
        TrackPoint(
            time_s=float(clip.times_s[s.index]),
            pts=int(clip.pts[s.index]),
            box=Box(*s.detection.box),
            confidence=s.detection.confidence,
        )
        for s in path.sightings
    )
    return Track(label=path.label, span=span, points=points)


def _observations(
    clip: Clip,
    *,
    shots: Sequence[Span],
    tracks: Sequence[Track],
    texts: Sequence[ScreenText],
    read: Sequence[int],
) -> Observations:
    return Observations(
        window=clip.window,
        times_s=tuple(float(t) for t in clip.times_s),
        pts=tuple(int(p) for p in clip.pts),
        shots=tuple(shots),
        tracks=tuple(tracks),
        screen_texts=tuple(texts),
        read_times_s=tuple(float(clip.times_s[i]) for i in read),
    )
