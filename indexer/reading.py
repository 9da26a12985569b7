"""One file, window by window, read one step ahead of whoever looks at it.

A single thread decodes the next window while the engine works on the present one (PyAV and the network
libraries release the interpreter lock). At most `ahead` windows wait, so memory does not grow with the file.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engines.contract import ClipSpec
from grounding.evidence import Span
from storage.faults import point
from video.frames import Clip, FrameSource, VideoInfo
from video.reader import open_video
from video.sampling import grid, windows
from video.stillness import Stillness

Readings = Iterator["Reading"]

MAX_STILL_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One window to be read, and the times of the frames wanted of it. `number` is its place in the plan."""

    number: int
    window: Span
    times_s: tuple[float, ...]
    still: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A window as it came off the file: a clip, or the error in its place. `cost_s` is wall time."""

    cut: Cut
    clip: Clip | None
    error: Exception | None
    cost_s: float


def cut(info: VideoInfo, spec: ClipSpec, *, still: Stillness) -> tuple[Span, ...]:
    """The windows of a file as `spec` wants them, neighbours in which nothing moves joined.

    Joined windows are at most MAX_STILL_WINDOW_S long: light that changes slowly is seen anew then. Where one
    frame is held there is nothing to see anew, and it makes one window however long it is.
    """
    longest_s = max(MAX_STILL_WINDOW_S, spec.window_s)
    joined: list[Span] = []
    for window in windows(info, window_s=spec.window_s, overlap_s=spec.overlap_s):
        both = Span(joined[-1].start_s, window.end_s) if joined else window
        is_short = both.end_s - both.start_s <= longest_s
        if joined and (still.is_held(both) or (is_short and still.is_unmoving(both))):
            joined[-1] = both
        else:
            joined.append(window)
    return tuple(joined)


def plan(info: VideoInfo, spans: Sequence[Span], *, spec: ClipSpec, still: Stillness) -> tuple[Cut, ...]:
    """How the windows `spans` of a file are read for an engine that wants `spec`.

    A window that is still from end to end is given by a single frame; one that is still in part is sampled in
    full, so that whatever moves is followed from before it moved.
    """
    cuts = []
    for number, window in enumerate(spans):
        unmoving = still.is_unmoving(window)
        times_s = (
            (window.start_s,)
            if unmoving
            else grid(window, anchor_s=info.start_s, rate_hz=spec.rate_hz, max_frames=spec.max_frames)
        )
        cuts.append(Cut(number=number, window=window, times_s=times_s, still=unmoving))
    return tuple(cuts)


@contextmanager
def read_ahead(path: Path, cuts: Sequence[Cut], *, spec: ClipSpec, ahead: int = 1) -> Iterator[Readings]:
    """The windows of `path` in order, decoded on another thread, which begins at once.

    At most `ahead` windows are being decoded or wait to be taken. Errors come in their window's place.
    Leaving ends the thread, after the window that it is at.
    """
    waiting: queue.SimpleQueue[Reading | None] = queue.SimpleQueue()
    room = threading.Semaphore(ahead)
    stop = threading.Event()
    thread = threading.Thread(
        target=_read_all, args=(path, cuts, spec, waiting, room, stop), name="proofreel-reader", daemon=True
    )
    thread.start()
    try:
        yield _taken(waiting, room)
    finally:
        stop.set()
        room.release()
        thread.join()


def _taken(waiting: queue.SimpleQueue[Reading | None], room: threading.Semaphore) -> Readings:
    while (reading := waiting.get()) is not None:
        room.release()
        yield reading
        del reading  # or its frames stay in memory while the next window is waited for


def _read_all(
    path: Path,
    cuts: Sequence[Cut],
    spec: ClipSpec,
    waiting: queue.SimpleQueue[Reading | None],
    room: threading.Semaphore,
    stop: threading.Event,
) -> None:
    source: FrameSource | None = None
    for cut in cuts:
        room.acquire()
        if stop.is_set():
            break
        started = time.perf_counter()
        clip, error = None, None
        try:
            source = source or open_video(path)
            clip = _read(source, cut, spec=spec)
            point("worker:decoded")
        except Exception as caught:  # carried to the thread that asked, and raised or recorded there
            error = caught
            _close(source)
            source = None  # its decoder is in an unknown state: the next window opens the file anew
        waiting.put(Reading(cut=cut, clip=clip, error=error, cost_s=time.perf_counter() - started))
        del clip  # or one window more than needed stays in memory while the next is read
    _close(source)
    waiting.put(None)


def _read(source: FrameSource, cut: Cut, *, spec: ClipSpec) -> Clip:
    return source.clip(
        cut.window,
        times_s=cut.times_s,
        max_side=spec.max_side,
        dense_side=None if cut.still else spec.dense_side,
        still=cut.still,
    )


def _close(source: FrameSource | None) -> None:
    if source is not None:
        source.close()
