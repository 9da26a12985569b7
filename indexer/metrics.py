"""What Prometheus is told of `index`: at a port while it runs, or in a file for node_exporter.

Counters begin at zero with each process; a file keeps the values of the last one, with the time of its end,
so that an alert can tell a night that did not happen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indexer.pages import missing_parts
from indexer.progress import Reporter
from indexer.report import FileReport, IndexReport

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

WRITE_EVERY_S = 15.0
DEFAULT_HOST = "127.0.0.1"


class Metrics:
    """The numbers of one process, in a registry of their own."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector

        self.registry: CollectorRegistry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        ProcessCollector(registry=self.registry)
        self._segments = Counter("proofreel_segments", "Segments kept or given up.", **own)
        self._video_s = Counter("proofreel_video_seconds", "Seconds of video in those segments.", **own)
        self._files = Counter("proofreel_files", "Files by what became of them.", ["status"], **own)
        self._moments = Counter("proofreel_moments", "Moments kept.", **own)
        self._stages = Counter("proofreel_stage_seconds", "Wall seconds by stage.", ["stage"], **own)
        self._planned_s = Gauge("proofreel_planned_video_seconds", "Video that this run is to do.", **own)
        self._pending_s = Gauge("proofreel_pending_video_seconds", "Video that waits after the run.", **own)
        self._ended = Gauge("proofreel_last_end_timestamp_seconds", "When a run ended.", ["ending"], **own)
        self._changed: Callable[[], None] = lambda: None

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call this whenever a number has changed."""
        self._changed = changed

    def planned(self, seconds: float) -> None:
        self._planned_s.set(seconds)
        self._changed()

    def segment_done(self, seconds: float) -> None:
        self._segments.inc()
        self._video_s.inc(seconds)
        self._changed()

    def file_done(self, status: str) -> None:
        self._files.labels(status=status).inc()
        self._changed()

    def ended(self, report: IndexReport) -> None:
        """What is known only at the end."""
        totals = report.totals
        self._moments.inc(totals.moments)
        for stage, seconds in totals.spent.items():
            self._stages.labels(stage=stage).inc(seconds)
        self._pending_s.set(totals.pending_seconds)
        self._ended.labels(ending=report.ending).set(time.time())


class Metered:
    """A reporter that counts what it is told, and tells another one."""

    def __init__(self, other: Reporter, metrics: Metrics) -> None:
        self._other = other
        self._metrics = metrics

    def looking(self, path: Path) -> None:
        self._other.looking(path)

    def planned(self, *, files: int, segments: int, seconds: float) -> None:
        self._metrics.planned(seconds)
        self._other.planned(files=files, segments=segments, seconds=seconds)

    def segment_done(self, path: Path, *, seconds: float) -> None:
        self._metrics.segment_done(seconds)
        self._other.segment_done(path, seconds=seconds)

    def file_done(self, report: FileReport) -> None:
        self._metrics.file_done(report.status)
        self._other.file_done(report)

    def note(self, text: str) -> None:
        self._other.note(text)


@contextmanager
def metered(*, port: str | None, file: Path | None) -> Iterator[Metrics | None]:
    """The metrics of what is done inside, served at `port` ([HOST:]PORT) and written to `file`.

    None where neither is given. Raises ValueError for a port that can't be had, StorageError when the file
    can't be written.
    """
    if port is None and file is None:
        yield None
        return
    if (missing := missing_parts("prometheus_client", extra="metrics")) is not None:
        raise ValueError(missing)
    metrics = Metrics()
    with _served(metrics, port), _written(metrics, file):
        yield metrics


@contextmanager
def _served(metrics: Metrics, port: str | None) -> Iterator[None]:
    if port is None:
        yield
        return
    from prometheus_client import start_http_server

    host, number = _address(port)
    try:
        server, thread = start_http_server(number, addr=host, registry=metrics.registry)
    except OSError as error:
        raise ValueError(
            f"--metrics-port {port[:60]}: {error.strerror or error}; give a free one, or stop what holds it"
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _written(metrics: Metrics, file: Path | None) -> Iterator[None]:
    if file is None:
        yield
        return
    if file.suffix != ".prom":
        raise ValueError(f"--metrics-file {file.name!r}: node_exporter reads files that end in .prom alone")
    from prometheus_client import write_to_textfile

    from storage.failures import told

    last = 0.0

    def write() -> None:
        with told(file):
            write_to_textfile(str(file), metrics.registry)

    def sometimes() -> None:
        nonlocal last
        if time.monotonic() - last >= WRITE_EVERY_S:
            last = time.monotonic()
            write()

    metrics.on_change(sometimes)
    write()
    try:
        yield
    finally:
        write()


def _address(typed: str) -> tuple[str, int]:
    host, _, number = typed.rpartition(":")
    if not (number.isascii() and number.isdecimal() and 0 < int(number) < 65_536):
        raise ValueError(f"--metrics-port takes [HOST:]PORT, like 9108 or 0.0.0.0:9108, not {typed[:60]!r}")
    return host.strip("[]") or DEFAULT_HOST, int(number)
