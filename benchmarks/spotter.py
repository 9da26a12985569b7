"""Time the spotter's eyes by stage on one file, and write it to `benchmarks/results/spotter.json`.

python benchmarks/spotter.py VIDEO [--rate 2] [--window 20] [--out FILE]

One process, start-up included; decoding and looking take turns, so a pipeline that reads ahead is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main() -> None:
    """Parse, run, write, and print what was written."""
    parser = argparse.ArgumentParser(description="Time the spotter's eyes by stage on one file.")
    parser.add_argument("video", type=Path)
    parser.add_argument("--rate", type=float, default=2.0, help="samples a second")
    parser.add_argument("--window", type=float, default=20.0, help="seconds a clip")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "spotter.json")
    chosen = parser.parse_args()
    result = measure(chosen.video, rate_hz=chosen.rate, window_s=chosen.window)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def measure(video: Path, *, rate_hz: float, window_s: float) -> dict[str, object]:
    """Wall seconds by stage, from the imports on, and counts of what was done and found."""
    started, cpu_started = perf_counter(), process_time()
    from engines.spotter.perception import Perception
    from grounding.evidence import Span
    from video.reader import open_video

    eyes = Perception()
    eyes.load()
    stages = {"start": perf_counter() - started}
    counts = {"samples": 0, "tracks": 0, "screen_texts": 0, "reads": 0}
    before = perf_counter()
    source = open_video(video)
    info = source.info
    decode_s = perf_counter() - before
    start_s = info.start_s
    while start_s < info.end_s:
        before = perf_counter()
        window = Span(start_s, min(start_s + window_s, info.end_s))
        grid = (info.start_s + k / rate_hz for k in range(int(info.duration_s * rate_hz) + 2))
        times = [t for t in grid if window.start_s <= t < window.end_s]
        clip = source.clip(window, times_s=times, max_side=960, dense_side=300)
        decode_s += perf_counter() - before
        seen = eyes.observe(clip)
        counts["samples"] += len(seen.times_s)
        counts["tracks"] += len(seen.tracks)
        counts["screen_texts"] += len(seen.screen_texts)
        counts["reads"] += len(seen.read_times_s)
        start_s = window.end_s
    total_s = perf_counter() - started
    stages |= {"decode": decode_s, **eyes.stage_seconds, "total": total_s}
    return {
        "command": f"python benchmarks/spotter.py {video.name} --rate {rate_hz} --window {window_s}",
        "video": {"name": video.name, "seconds": info.duration_s, "size": [info.width, info.height]},
        "times_real_time": info.duration_s / total_s,
        "stage_seconds": {name: round(seconds, 3) for name, seconds in stages.items()},
        "cpu_seconds": round(process_time() - cpu_started, 3),
        "counts": counts | {"pictures_detected": eyes.detector().pictures_seen},
        "settings": asdict(eyes.settings),
        "machine": {"cores": os.cpu_count(), "load_average": os.getloadavg()},
        "versions": {name: version(name) for name in ("openvino", "numpy", "opencv-python-headless", "av")},
        "commit": _commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent).stdout.strip()


if __name__ == "__main__":
    main()
