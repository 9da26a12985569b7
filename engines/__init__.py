"""What runs a network: engines that answer in the evidence grammar, picked by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engines.contract import DESCRIBE, ClipSpec, Engine, Question, Reply, ScreenText, Track, TrackPoint

if TYPE_CHECKING:
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
    "load_engine",
]

ENGINES = ("spotter",)
"""The names that `load_engine` knows."""


def load_engine(
    name: str,
    *,
    settings: SpotterSettings | None = None,
    num_threads: int | None = None,
    cache_dir: Path | None = None,
) -> Engine:
    """The engine of that name, its libraries imported only now. Raises ValueError for an unknown name.

    `settings` are the engine's own (None: its defaults); `num_threads` None lets it use every core;
    `cache_dir` holds compiled models (None: the user's cache folder).
    """
    if name != "spotter":
        raise ValueError(f"no engine named {name!r}; there are: {', '.join(ENGINES)}")
    from engines.spotter.engine import Spotter

    return Spotter(settings=settings, num_threads=num_threads, cache_dir=cache_dir)
