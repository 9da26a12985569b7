"""How fast frames are read: the planned reader against plain sequential decoding, in the same run.

    python benchmarks/decode.py [VIDEO]... [--still SECONDS] [--runs N]

Without a video it makes its own. Times are of one thread; "x" is seconds of video a second. Each way is run
alternately with the plain one, so that a busy machine slows both, and the ratio is what counts.
Writes benchmarks/results/decode.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.clips import ClipPlan, coded_picture, make_clip  # noqa: E402
from video import open_video, sampling  # noqa: E402
from video.packets import forget_indexes  # noqa: E402
from video.probe import probe  # noqa: E402
from video.stillness import still_spans  # noqa: E402

WINDOW_S = 10.0


def plain(path: Path) -> None:
    """Decode every frame, convert none."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for _ in container.decode(stream):
            pass


def windows(path: Path, *, rate_hz: float, dense_side: int | None, still: bool = False) -> None:
    """Read the whole file window by window, as the indexer does."""
    with open_video(path) as source:
        for window in sampling.windows(source.info, window_s=WINDOW_S):
            start_s = source.info.start_s
            times = sampling.grid(window, anchor_s=start_s, rate_hz=rate_hz, max_frames=64)
            source.clip(window, times_s=times, max_side=640, dense_side=dense_side, still=still)


def stillness(path: Path) -> None:
    still_spans(probe(path))


WAYS: dict[str, Callable[[Path], None]] = {
    "2 frames a second": lambda path: windows(path, rate_hz=2, dense_side=None),
    "2 frames a second, and all at 300 px": lambda path: windows(path, rate_hz=2, dense_side=300),
    "1 frame in 10 seconds": lambda path: windows(path, rate_hz=0.1, dense_side=None),
    "probe": lambda path: probe(path),  # type: ignore[dict-item]
    "probe and stillness": stillness,
}


def measure(path: Path, *, runs: int, still: bool) -> dict[str, object]:
    info = probe(path)
    ways = dict(WAYS)
    if still:
        ways["key frames only"] = lambda p: windows(p, rate_hz=2, dense_side=300, still=True)
    result: dict[str, object] = {
        "codec": info.codec,
        "size": [info.width, info.height],
        "seconds": round(info.duration_s, 3),
        "frames": info.num_frames,
        "key_frames": len(info.keyframe_pts),
        "still_seconds": round(sum(s.end_s - s.start_s for s in still_spans(info)), 3),
    }
    for name, way in ways.items():
        pairs = [(_seconds(plain, path), _seconds(way, path)) for _ in range(runs)]
        speeds = [info.duration_s / own for _, own in pairs]
        result[name] = {
            "x": round(statistics.median(speeds), 1),
            "x_range": [round(min(speeds), 1), round(max(speeds), 1)],
            "plain_x": round(statistics.median(info.duration_s / base for base, _ in pairs), 1),
            "time_over_plain": round(statistics.median(own / base for base, own in pairs), 3),
        }
    return result


def _seconds(way: Callable[[Path], None], path: Path) -> float:
    forget_indexes()
    started = time.process_time()
    way(path)
    return time.process_time() - started


def still_clip(folder: Path, seconds: float) -> Path:
    picture = coded_picture(7, width=1920, height=1080)
    picture[:200] = (
        np.random.default_rng(0).integers(0, 255, (50, 480, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    )
    options = {"preset": "veryfast", "g": "250"}
    plan = ClipPlan(
        frames=round(seconds * 30), width=1920, height=1080, options=options, picture=lambda _: picture
    )
    return make_clip(folder / "still-1080p.mp4", plan)


def moving_clip(folder: Path) -> Path:
    options = {"preset": "veryfast", "g": "120", "bf": "3"}
    return make_clip(folder / "moving-720p.mp4", frames=450, width=1280, height=720, options=options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--still", type=float, default=60.0, help="seconds of unmoving 1080p to make")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    results: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        moving = arguments.videos or [moving_clip(Path(folder))]
        for path in moving:
            results[path.name] = measure(path, runs=arguments.runs, still=False)
        if arguments.still:
            path = still_clip(Path(folder), arguments.still)
            results[path.name] = measure(path, runs=arguments.runs, still=True)
    document = {
        "command": "python benchmarks/decode.py " + " ".join(p.name for p in arguments.videos),
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip(),
        "clock": "processor seconds of one process",
        "versions": {"python": platform.python_version(), "av": av.__version__, "numpy": np.__version__},
        "runs": arguments.runs,
        "results": results,
    }
    out = ROOT / "benchmarks" / "results" / "decode.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(document, indent=2) + "\n")
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
