"""What a machine is told of a night: metrics while it runs and after it, and a log that programs can read."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import night_process
from tests.dumping import rows
from tests.lamps import lamp_clip

Numbers = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(text: str) -> Numbers:
    """Prometheus' own reading of it."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def scraped(port: int) -> Numbers | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return parsed(answer.read().decode())
    except (urllib.error.URLError, ConnectionError):
        return None


@pytest.fixture
def lamps(folder: Path) -> Path:
    lamp_clip(folder / "a.mp4", seconds=4.0)
    (folder / "broken.mp4").write_bytes(b"no video" * 100)
    return folder


@pytest.mark.slow
def test_metrics_are_served_while_it_runs_and_gone_when_it_ends(lamps: Path, tmp_path: Path) -> None:
    port = free_port()
    process = night_process.start(
        "index", lamps, "--home", tmp_path / "home", "--metrics-port", str(port), clip_s=0.5
    )
    numbers: Numbers = {}
    while process.poll() is None:
        numbers = scraped(port) or numbers
        if numbers.get(("proofreel_segments_total", ()), 0.0) >= 1.0:
            break
        time.sleep(0.02)
    process.communicate(timeout=60)

    assert numbers["proofreel_planned_video_seconds", ()] == pytest.approx(4.0)
    assert numbers["proofreel_segments_total", ()] >= 1.0
    assert numbers["proofreel_files_total", (("status", "failed"),)] == 1.0
    assert numbers["process_cpu_seconds_total", ()] > 0.0
    assert scraped(port) is None


def test_a_file_for_node_exporter_holds_what_the_run_did(lamps: Path, tmp_path: Path) -> None:
    out = tmp_path / "proofreel.prom"
    before = time.time()
    done = night_process.run_here("index", lamps, "--home", tmp_path / "home", "--metrics-file", out)
    assert done.returncode == 1  # broken.mp4
    numbers = parsed(out.read_text())

    assert numbers["proofreel_video_seconds_total", ()] == pytest.approx(4.0)
    assert numbers["proofreel_files_total", (("status", "indexed"),)] == 1.0
    assert numbers["proofreel_moments_total", ()] == len(rows(tmp_path / "home")["moment"])
    assert numbers["proofreel_pending_video_seconds", ()] == 0.0
    assert numbers["proofreel_stage_seconds_total", (("stage", "engine"),)] > 0.0
    assert numbers["proofreel_last_end_timestamp_seconds", (("ending", "complete"),)] >= before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--metrics-port", "many"],
            "--metrics-port takes [HOST:]PORT, like 9108 or 0.0.0.0:9108, not 'many'",
        ),
        (["--metrics-file", "a.txt"], "node_exporter reads files that end in .prom alone"),
        (["--log-format", "xml"], "--log-format takes text or json, not 'xml'"),
    ],
)
def test_a_wrong_flag_is_told_before_anything_is_done(
    lamps: Path, tmp_path: Path, flags: list[str], message: str
) -> None:
    done = night_process.run_here("index", lamps, "--home", tmp_path / "home", *flags)
    assert done.returncode == 2 and message in done.stderr
    assert not (tmp_path / "home").exists()


def test_a_port_that_is_taken_is_one_sentence(lamps: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        done = night_process.run_here("index", lamps, "--home", tmp_path / "home", "--metrics-port", port)
    assert done.returncode == 2 and "give a free one, or stop what holds it" in done.stderr


def test_the_log_has_a_line_a_job_and_when_asked_a_line_a_segment(lamps: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = night_process.run_here(
        "index", lamps, "--home", home, "--json", "--log-format", "json", "--verbose"
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]

    jobs = [line for line in lines if line["event"] == "job"]
    segments = [line for line in lines if line["event"] == "segment"]
    assert [(j["job"], j["video"], j["outcome"], j["segments"]) for j in jobs] == [(1, 1, "done", 2)]
    assert jobs[0]["cost_s"] > 0.0 and jobs[0]["file"].endswith("a.mp4") and jobs[0]["level"] == "info"
    assert [(s["segment"], s["outcome"]) for s in segments] == [(0, "done"), (1, "done")]
    assert all(s["cost_s"] > 0.0 and s["timestamp"].endswith("Z") for s in segments)
    again = night_process.run_here(
        "index", lamps, "--home", home, "--json", "-q", "is a lamp lit?", "--verbose"
    )
    assert "level=info event=job" in again.stderr and "outcome=done" in again.stderr
    assert "event=segment" not in again.stderr
