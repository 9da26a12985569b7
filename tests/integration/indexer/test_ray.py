"""A night on a real Ray cluster of three machines, one of which goes away."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from indexer.executors import Lost, Needs
from indexer.executors.sandbox import share_of_memory
from indexer.indexing import index_paths
from indexer.looking import Looker
from indexer.progress import Silent
from indexer.questions import question_set
from indexer.report import IndexReport
from indexer.request import Request
from tests import night_process
from tests.dumping import content, rows
from tests.hands import Hand
from tests.integration.indexer.test_executors import ROOMY, ended, run, values
from tests.lamps import lamp_clip, statuses
from tests.night_process import letters, slow_engine
from tests.ray_cluster import ray_cluster

pytestmark = pytest.mark.slow


def test_a_machine_that_goes_away_is_nobody_s_fault_and_the_others_go_on() -> None:
    from indexer.executors.ray import RayExecutor

    with (
        ray_cluster([{}, {}]) as (cluster, nodes),
        closing(RayExecutor(Hand, address=cluster.address, limits=ROOMY)) as executor,
    ):
        tickets = [executor.submit("count 150 0.1") for _ in range(2)]
        seen: set[int] = set()
        while len(seen) < 2:
            seen |= {event.ticket for event in executor.wait(timeout_s=10.0)}
        cluster.remove_node(nodes[0], allow_graceful=False)
        told = ended(executor, *tickets, timeout_s=90.0)
        lost = [events[-1] for events in told.values() if isinstance(events[-1], Lost)]
        whole = [values(events) for events in told.values() if not isinstance(events[-1], Lost)]

        assert len(lost) == 1 and "its machine is gone" in lost[0].reason and not lost[0].suspect
        assert [len(events) for events in whole] >= [100]
        assert values(run(executor, "count 2")) == [0, 1]
        assert executor.capacity == 1


def test_an_order_that_needs_a_label_goes_to_a_machine_that_has_it() -> None:
    from indexer.executors.ray import RayExecutor

    with (
        ray_cluster([{}, {"av1": 1.0}]) as (cluster, _),
        closing(RayExecutor(Hand, address=cluster.address, limits=ROOMY)) as executor,
    ):
        tickets = [executor.submit("count 1 2.0"), executor.submit("count 1 2.0")]
        ended(executor, *tickets)
        labelled = Needs(labels=frozenset({"av1"}))
        pids = {values(run(executor, "pid", needs=labelled))[0] for _ in range(3)}
        anywhere = values(run(executor, "pid", needs=Needs(labels=frozenset({"nowhere"}))))

    assert len(pids) == 1 and anywhere


def test_the_one_worker_of_a_machine_with_one_gpu_may_use_the_memory_of_all_its_cpus() -> None:
    from indexer.executors.ray import RayExecutor

    with (
        ray_cluster([{"CPU": 4, "GPU": 1}]) as (cluster, _),
        closing(RayExecutor(Hand, address=cluster.address, needs_gpu=True)) as executor,
    ):
        assert executor.capacity == 1
        assert values(run(executor, "limit RLIMIT_DATA")) == [share_of_memory(1)]


def test_a_night_on_three_machines_gives_the_rows_of_one_though_a_machine_is_lost(tmp_path: Path) -> None:
    folder, home = tmp_path / "videos", tmp_path / "home"
    folder.mkdir()
    for number in range(6):
        lamp_clip(folder / f"{number}.mp4", seconds=6.0 + number, lit=[(1.0, 2.5), (5.0, 5.5)])
    lamp_clip(folder / "segv.clip.mp4", seconds=5.0)
    with ray_cluster([{}, {}, {}]) as (cluster, nodes):
        losing = LosesOne(cluster, nodes)
        report = index_on(cluster.address, folder, home, reporter=losing)
        again = index_on(cluster.address, folder, home, reporter=Silent(sys.stderr))

    found = statuses(report)
    assert losing.has_lost and found.pop("segv.clip.mp4") == "failed"
    assert set(found.values()) == {"indexed"}
    assert [str(file.reason)[:30] for file in again.failed] == ["in quarantine after 2 attempts"]
    assert {row["outcome"] for row in rows(home)["attempt"]} == {"done", "died"}
    (folder / "segv.clip.mp4").unlink()
    assert night_process.run_here("index", folder, "--home", tmp_path / "quiet").returncode == 0
    for table in ("segment", "answer", "moment", "claim", "box", "embedding"):
        quiet = content(tmp_path / "quiet")[table]
        assert set(quiet) <= set(content(home)[table]) and len(set(quiet)) == len(quiet)


class LosesOne(Silent):
    """Takes a machine away hard once a few segments are done."""

    def __init__(self, cluster: Any, nodes: list[Any]) -> None:
        super().__init__(sys.stderr)
        self._cluster, self._nodes = cluster, nodes
        self._num_done = 0
        self.has_lost = False

    def segment_done(self, path: Path, *, seconds: float) -> None:
        self._num_done += 1
        if self._num_done == 4:
            self._cluster.remove_node(self._nodes[0], allow_graceful=False)
            self.has_lost = True
            time.sleep(0.1)


def index_on(address: str, folder: Path, home: Path, *, reporter: Silent) -> IndexReport:
    from indexer.executors.ray import RayExecutor
    from indexer.executors.sandbox import without_network
    from tests.troubles import TroubledLooker

    looker: partial[Looker] = partial(
        TroubledLooker,
        engine=partial(slow_engine, "brightness", clip_s=0.3),
        embedder=letters,
        seal=without_network,
    )
    request = Request(
        paths=[folder],
        home=home,
        library="default",
        questions=question_set([]),
        executor=lambda: RayExecutor(looker, address=address),
        patience_s=60.0,
    )
    return index_paths(request, reporter=reporter)


def test_a_signal_ends_a_night_on_a_cluster_after_the_present_segment(tmp_path: Path) -> None:
    home = tmp_path / "home"
    clip = lamp_clip(tmp_path / "a.mp4", seconds=12.0)
    with ray_cluster([{}]) as (cluster, _):
        line = ("index", clip, "--home", home, "--executor=ray", f"--address={cluster.address}")
        night = start_importable(*line, clip_s=1.0)
        while night.poll() is None and "done" not in segments(home):
            time.sleep(0.1)
        night.send_signal(signal.SIGTERM)
        out, err = night.communicate(timeout=60)

    assert night.returncode == 143, err
    assert "the same command goes on from here" in out
    assert set(segments(home)) == {"done", "pending"}


def start_importable(*args: str | Path, clip_s: float) -> subprocess.Popen[str]:
    """As `night_process.start`, with an engine that other machines find by its name and not in `__main__`."""
    code = "import sys; from tests.night_process import main; main(sys.argv[1:])"
    line = [sys.executable, "-c", code, f"--clip-s={clip_s}", *args]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, cwd=night_process.ROOT, stdout=pipe, stderr=pipe, text=True)


def segments(home: Path) -> list[str]:
    found = rows(home) if (home / "proofreel.db").exists() else {}
    return [row["state"] for row in found.get("segment", [])]


def test_a_cluster_that_does_not_answer_is_wrong_usage(tmp_path: Path) -> None:
    clip = lamp_clip(tmp_path / "a.mp4")
    line = ("index", clip, "--home", tmp_path / "home", "--executor", "ray", "--address", "auto")
    done = night_process.run(*line)

    assert done.returncode == 2, done.stderr
    assert "no Ray cluster answers at 'auto'" in done.stderr and "ray start --head" in done.stderr
