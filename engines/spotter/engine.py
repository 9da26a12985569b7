"""The spotter: sees the 80 COCO kinds and printed text on any CPU, and answers in the evidence grammar.

A question that it can't see gets an abstention that says so; it never guesses.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from threading import Lock

from engines.assets import asset_path, assets
from engines.contract import ClipSpec, Question, Reply
from engines.embedding import TextEmbedder, Vectors
from engines.english import word_classes
from engines.naming import THRESHOLD, NameMatcher
from engines.spotter.answering import answer
from engines.spotter.perception import Perception, SpotterSettings
from engines.spotter.understanding import understand
from engines.spotter.vocabulary import load_vocabulary
from engines.spotter.writing import COORDINATES
from grounding import Coordinates
from video.frames import Clip

SPEC = ClipSpec(
    window_s=10.0,
    overlap_s=0.0,
    rate_hz=2.0,
    max_frames=21,  # the last window of a file may be half a second longer
    max_side=640,
    dense_side=300,
    skip_still=True,
    clips_at_once=2,  # while the networks are at one clip, the other is decoded, followed and described
)

_LIBRARIES = (
    "av",
    "inflection",
    "numpy",
    "onnxruntime",
    "opencv-python-headless",
    "openvino",
    "rapidocr",
    "scenedetect-headless",
    "similari-trackers-rs",
    "snowballstemmer",
    "tokenizers",
)


class Spotter:
    """An `Engine` (see `engines.contract`).

    Models are loaded when a clip or a question needs them; `load()` does it at once. `threshold` is the
    least cosine at which an unknown word names a kind. Raises EngineError when weights are missing or
    altered. Several threads may ask about clips of their own.
    """

    name = "spotter"
    coordinates: Coordinates = COORDINATES
    spec = SPEC

    def __init__(
        self,
        *,
        settings: SpotterSettings | None = None,
        threshold: float = THRESHOLD,
        num_threads: int | None = None,
        cache_dir: Path | None = None,
    ) -> None:
        self.settings = settings or SpotterSettings()
        self.threshold = threshold
        self._num_threads = num_threads
        self._cache_dir = cache_dir
        self._perception: Perception | None = None
        self._loading, self._words = Lock(), Lock()

    @property
    def perception(self) -> Perception:
        """The eyes."""
        with self._loading:
            if self._perception is None:
                self._perception = Perception(
                    self.settings, num_threads=self._num_threads, cache_dir=self._cache_dir
                )
            return self._perception

    @cached_property
    def matcher(self) -> NameMatcher:
        """Names matched to kinds; its text model is loaded at the first word outside the vocabulary."""
        embedder = _LazyEmbedder(num_threads=self._num_threads, cache_dir=self._cache_dir)
        return NameMatcher(embedder, threshold=self.threshold)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that an answer depends on: weights, settings, word lists, code, library versions."""
        parts = {
            "weights": {asset.name: asset.sha256 for asset in assets()},
            "settings": asdict(self.settings),
            "threshold": self.threshold,
            "spec": asdict(SPEC),
            "words": [load_vocabulary().source, word_classes().source],
            "code": _code_hash(),
            "libraries": {name: metadata.version(name) for name in _LIBRARIES},
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def load(self) -> None:
        """Load the eyes now, so that a missing model is known before any video is opened.

        The text model is only looked for: few questions need it (0.3 s, 80 MB).
        """
        self.perception.load()
        asset_path("text-embedder", cache_dir=self._cache_dir)

    def answer(self, clip: Clip, questions: Sequence[Question]) -> list[Reply]:
        """One reply per question, in order; the clip is looked at once."""
        observations = self.perception.observe(clip)
        with self._words:
            return [
                answer(
                    question, understand(question, matcher=self.matcher), observations, matcher=self.matcher
                )
                for question in questions
            ]

    def close(self) -> None:
        """Let go of the models; a later call loads them again."""
        self._perception = None
        self.__dict__.pop("matcher", None)


class _LazyEmbedder:
    """A `TextEmbedder` that is loaded at its first text: most questions never need it."""

    name = TextEmbedder.name

    def __init__(self, *, num_threads: int | None, cache_dir: Path | None) -> None:
        self._num_threads = num_threads
        self._cache_dir = cache_dir

    @cached_property
    def _embedder(self) -> TextEmbedder:
        return TextEmbedder(num_threads=self._num_threads, cache_dir=self._cache_dir)

    def embed(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.embed(texts)


def _code_hash() -> str:
    """Hash of all source that shapes an answer, decoding included: nobody has to remember a version."""
    digest = hashlib.sha256()
    for package in ("engines", "engines.spotter", "grounding", "video"):
        sources = [f for f in files(package).iterdir() if f.name.endswith(".py")]
        for source in sorted(sources, key=lambda f: f.name):
            digest.update(f"{package}/{source.name}\0".encode() + source.read_bytes() + b"\0")
    return digest.hexdigest()
