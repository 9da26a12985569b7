"""Files that bring trouble by their name, for tests of whole nights: `VERB.STAGE.anything.mp4`.

The verb is what happens, the stage when: as the file is recognised, examined, looked at, or (`clip`) shown to
the engine from its second window on. The files themselves are sound videos.
"""

from __future__ import annotations

import ctypes
from collections.abc import Generator
from pathlib import Path

import numpy as np

from indexer.looking import Looker
from indexer.orders import Introduce, Order, Told
from tests.hands import hang
from video.frames import Clip

STAGES = ("recognise", "examine", "look", "clip")


def trouble(path: Path, stage: str) -> None:
    """What the name of `path` says for this stage; nothing for any other name."""
    verb, _, rest = path.name.partition(".")
    if not rest.startswith(f"{stage}."):
        return
    if verb == "raise":
        raise RuntimeError("it was told to")
    if verb == "segv":
        ctypes.string_at(0)
    if verb == "hang":
        hang()
    if verb == "eat":
        np.zeros(1 << 40, np.uint8)  # a terabyte
    if verb == "remove":
        path.unlink()
    if verb == "grow":
        with path.open("ab") as file:
            file.write(b"more")


def at_clip(clip: Clip) -> None:
    """To be called by an engine with each clip."""
    if clip.window.start_s >= 2.0:
        trouble(clip.path, "clip")


class TroubledLooker(Looker):
    """A looker that meets trouble where an order begins."""

    def do(self, order: Order) -> Generator[Told, None, None]:
        if not isinstance(order, Introduce):
            path = order.found.path if hasattr(order, "found") else order.path
            trouble(path, type(order).__name__.lower())
        yield from super().do(order)
