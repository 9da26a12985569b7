"""What runs a network: engines that answer in the evidence grammar, picked by name."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from engines.contract import DESCRIBE, ClipSpec, Engine, Question, Reply, ScreenText, Track, TrackPoint
from grounding.errors import EngineError
from grounding.prompts import PROOFREEL, PromptSet

if TYPE_CHECKING:
    from engines.qwen.settings import QwenSettings
    from engines.spotter.settings import SpotterSettings

__all__ = [
    "DESCRIBE",
    "ENGINES",
    "ClipSpec",
    "Engine",
    "Question",
    "Reply",
    "ScreenText",
    "Track",
    "TrackPoint",
    "check_engine",
    "load_engine",
]

ENGINES = ("spotter", "transformers", "onnx", "tensorrt")
"""The names that `load_engine` knows."""


EXPORTED = ("onnx", "tensorrt")
"""Those that run what was made of a checkpoint, and by default only what was held against it."""

_MODELS = {
    "transformers": "the directory of a checkpoint, its name on the hub, or proofreel-small",
    "onnx": "a folder that `proofreel export onnx` made",
    "tensorrt": "a folder that `proofreel export tensorrt` made",
}
_EXTRAS = {"transformers": "transformers", "onnx": "transformers", "tensorrt": "tensorrt"}


def check_engine(
    name: str,
    *,
    model: str | None = None,
    prompts: PromptSet | None = None,
    unchecked: bool = False,
    clips_at_once: int | None = None,
    rate_hz: float | None = None,
) -> None:
    """That an engine of that name takes these. Raises ValueError; loads nothing."""
    if name not in ENGINES:
        raise ValueError(f"no engine named {name!r}; there are: {', '.join(ENGINES)}")
    if name == "spotter":
        for flag, value in {"--model": model, "--prompts": prompts}.items():
            if value is not None:
                raise ValueError(f"engine spotter has networks and words of its own: leave {flag} out")
        if clips_at_once is not None:
            raise ValueError("engine spotter looks at one clip after the other: leave --clips-at-once out")
        if rate_hz is not None:
            raise ValueError("engine spotter looks twice a second, which it is tuned for: leave rate_hz out")
    elif not model:
        raise ValueError(f"engine {name} needs --model: {_MODELS[name]}")
    if unchecked and name not in EXPORTED:
        raise ValueError(f"engine {name} runs no export: leave --unchecked out")


def load_engine(
    name: str,
    *,
    model: str | None = None,
    prompts: PromptSet | None = None,
    unchecked: bool = False,
    clips_at_once: int | None = None,
    rate_hz: float | None = None,
    settings: SpotterSettings | None = None,
    num_threads: int | None = None,
    cache_dir: Path | None = None,
) -> Engine:
    """The engine of that name, its libraries imported only now.

    `model` is the checkpoint or the export of an engine that runs one, and `prompts` the words it is asked in
    (None: Proofreel's); `unchecked` runs an export that was not held against its checkpoint; `clips_at_once`
    are put to such an engine together, and `rate_hz` frames a second shown to it (None: its defaults). The
    rest is the spotter's: its `settings` (None: its defaults); `num_threads` None lets it use every core;
    `cache_dir` holds compiled models (None: the user's cache folder).

    Raises ValueError for an unknown name or what doesn't go with it, EngineError for a model that can't be
    used or a library that isn't there.
    """
    check_engine(
        name, model=model, prompts=prompts, unchecked=unchecked, clips_at_once=clips_at_once, rate_hz=rate_hz
    )
    if name == "spotter":
        from engines.spotter.engine import Spotter

        return Spotter(settings=settings, num_threads=num_threads, cache_dir=cache_dir)
    assert model is not None
    _need(name, "torch", "transformers")
    words = prompts or PROOFREEL
    from engines.qwen.settings import QwenSettings

    asked = QwenSettings() if clips_at_once is None else QwenSettings.of_clips(clips_at_once)
    if rate_hz is not None:
        asked = asked.at_rate(rate_hz)
    engine = _load_model(name, model, prompts=words, unchecked=unchecked, settings=asked)
    if rate_hz not in (None, engine.spec.rate_hz):
        raise EngineError(
            f"{model} is made to be shown {engine.spec.rate_hz:g} frames a second, not {rate_hz:g}: leave "
            "rate_hz out"
        )
    return engine


def _load_model(
    name: str, model: str, *, prompts: PromptSet, unchecked: bool, settings: QwenSettings
) -> Engine:
    if name == "transformers":
        from engines import transformers

        return transformers.load(model, prompts=prompts, settings=settings)
    if name == "onnx":
        from engines import onnx

        return onnx.load(model, prompts=prompts, unchecked=unchecked, settings=settings)
    from engines import tensorrt

    return tensorrt.load(model, prompts=prompts, unchecked=unchecked, settings=settings)


def _need(engine: str, *libraries: str) -> None:
    lacking = [library for library in libraries if find_spec(library) is None]
    if lacking:
        raise EngineError(
            f"engine {engine} needs {' and '.join(lacking)}, not installed here: "
            f"pip install 'proofreel[{_EXTRAS[engine]}]'"
        )
