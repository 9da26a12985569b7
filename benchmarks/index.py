"""What `index` costs: `python -m benchmarks.index FILE...` or `--synthetic still|moving [--minutes 120]`.

Each file is indexed into a fresh home by a fresh process with the default engine, start-up included.
Prints one JSON document, and writes it to `benchmarks/results/index-NAME.json` with `--write NAME`:
x real time, seconds by stage (reading runs beside the engine), and the peak of resident memory, as a whole
and in each tenth of the run (flat: the last is no higher than the middle).
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
from collections.abc import Sequence
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil

RESULTS = Path(__file__).parent / "results"
SAMPLE_S = 0.1
LIBRARIES = ("av", "numpy", "openvino", "onnxruntime", "opencv-python-headless", "sqlalchemy", "faiss-cpu")
WIDTH, HEIGHT, RATE_HZ = 1920, 1080, 25
BASE_S = 10


def main() -> None:
    options = _options()
    if options.child:
        print(json.dumps(_index_here(Path(options.files[0]), home=Path(options.child))))
        return
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(name) for name in options.files]
        if options.synthetic:
            path = Path(folder) / f"{options.synthetic}-{options.minutes:g}min.mp4"
            files.append(synthetic(path, moving=options.synthetic == "moving", minutes=options.minutes))
        measured = [_median([_measure(file) for _ in range(options.runs)]) for file in files]
    document = {
        "command": " ".join(["python -m benchmarks.index", *(Path(word).name for word in sys.argv[1:])]),
        "commit": _commit(),
        "machine": {
            "processor": platform.processor(),
            "cores": psutil.cpu_count(),
            "load": psutil.getloadavg(),
        },
        "versions": {"python": platform.python_version(), **{n: metadata.version(n) for n in LIBRARIES}},
        "files": measured,
    }
    print(json.dumps(document, indent=1))
    if options.write:
        (RESULTS / f"index-{options.write}.json").write_text(json.dumps(document, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*")
    parser.add_argument("--synthetic", choices=("still", "moving"))
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--write", metavar="NAME")
    parser.add_argument("--child", metavar="HOME", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.files and not options.synthetic:
        parser.error("name a file, or --synthetic still|moving")
    return options


def _measure(file: Path) -> dict[str, Any]:
    """Index one file in a process of its own, and watch its memory."""
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        line = [sys.executable, "-m", "benchmarks.index", str(file), "--child", home]
        with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
            memory = _watch(process)
            out = process.stdout.read() if process.stdout else ""
        wall_s = time.perf_counter() - started
        if process.returncode:
            raise SystemExit(f"indexing {file} ended with {process.returncode}")
    return {"file": file.name, "wall_s": round(wall_s, 2), **_summed(json.loads(out), memory, wall_s)}


def _watch(process: subprocess.Popen[str]) -> list[int]:
    """Resident bytes every SAMPLE_S seconds, until the process is about to end."""
    memory = []
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            memory.append(watched.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(SAMPLE_S)
    return memory


def _summed(child: dict[str, Any], memory: Sequence[int], wall_s: float) -> dict[str, Any]:
    report, stages = child["report"], child["engine_stages"]
    totals = report["totals"]
    tenths = [max(part) / 2**20 for part in np.array_split(np.array(memory), 10) if len(part)]
    return {
        "status": report["files"][0]["status"],
        "video_s": totals["video_seconds"],
        "times_real": round(totals["video_seconds"] / wall_s, 2),
        "start_up_s": round(wall_s - totals["wall_seconds"], 2),
        "moments": totals["moments"],
        "segments": totals["segments"],
        "spent_s": {"decode": totals["spent"].pop("read", 0.0), **totals["spent"]},
        "engine_s": {stage: round(seconds, 2) for stage, seconds in stages.items()},
        "peak_mb": round(max(memory) / 2**20, 1),
        "peak_mb_by_tenth": [round(mb) for mb in tenths],
    }


def _index_here(file: Path, *, home: Path) -> dict[str, Any]:
    """What the command does, with the engine at hand so that its own clock can be read."""
    from engines.embedding import TextEmbedder
    from engines.spotter.engine import Spotter
    from indexer.indexing import index_paths
    from indexer.progress import Silent
    from indexer.questions import question_set
    from indexer.request import Request
    from tests.inline import looking

    spotter = Spotter()
    perception = spotter.perception  # closing the engine lets go of it, and of its clock
    request = Request(
        paths=[file],
        home=home,
        library="benchmark",
        questions=question_set([]),
        executor=lambda: looking(lambda: spotter, TextEmbedder),
    )
    report = index_paths(request, reporter=Silent(sys.stderr))
    return {"report": report.document(), "engine_stages": perception.stage_seconds}


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run in the middle, with the spread of all."""
    speeds = sorted(run["times_real"] for run in runs)
    middle = min(runs, key=lambda run: abs(run["times_real"] - statistics.median(speeds)))
    return {**middle, "runs": len(runs), "times_real_slowest": speeds[0], "times_real_fastest": speeds[-1]}


def synthetic(path: Path, *, moving: bool, minutes: float) -> Path:
    """A 1080p H.264 file of that length: a few seconds are encoded once, and their packets repeated."""
    base = path.with_suffix(".base.mp4")
    _encode(base, moving=moving)
    step = Fraction(BASE_S)
    with av.open(str(path), "w") as out, av.open(str(base)) as source:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        packets = [
            (bytes(p), p.pts, p.dts, p.duration, p.is_keyframe) for p in source.demux(stream) if p.size
        ]
        assert stream.time_base is not None
        ticks = int(step / stream.time_base)
        for turn in range(round(minutes * 60 / BASE_S)):
            for data, pts, dts, duration, is_keyframe in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base, packet.duration = copy, stream.time_base, duration
                packet.pts, packet.dts, packet.is_keyframe = (
                    pts + turn * ticks,
                    dts + turn * ticks,
                    is_keyframe,
                )
                out.mux(packet)
    base.unlink()
    return path


def _encode(path: Path, *, moving: bool) -> None:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    background = np.stack([rows % 256, columns % 256, (rows + columns) % 256], -1).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE_HZ)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "30", "g": "50", "bf": "0"}
        for number in range(BASE_S * RATE_HZ):
            picture = np.roll(background, 8 * number, axis=1) if moving else background
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _commit() -> str:
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
